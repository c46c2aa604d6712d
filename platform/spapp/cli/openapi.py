"""`wxsp openapi`: the description of the public API."""

from __future__ import annotations

import click

from spapp.asgi import api_document
from spapp.cli.common import as_json, settings
from spapp.wiring import build


@click.group()
def openapi() -> None:
    """公开 API 描述 the public API's description."""


@openapi.command()
@as_json
def export(as_json: bool) -> None:  # noqa: ARG001 - the document is JSON either way
    """输出 OpenAPI 3.1 文档 print the OpenAPI 3.1 document."""
    click.echo(api_document(build(settings())).as_json())
