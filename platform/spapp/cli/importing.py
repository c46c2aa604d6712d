"""`wxsp import`: providers, tenants, bindings, prices and people from one JSON file."""

from __future__ import annotations

from typing import BinaryIO

import click

from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.importer.apply import import_document
from spapp.importer.result import ImportResult
from spapp.wiring import Services


@click.command()
@click.argument("file", type=click.File("rb"))
@as_json
def import_file(file: BinaryIO, as_json: bool) -> None:
    """导入 FILE，- 为标准输入 import FILE or standard input; all of it or nothing."""
    document = file.read()

    async def work(services: Services) -> ImportResult:
        return await import_document(
            services.database, services.vault, services.clock, document, services.settings.public_url
        )

    result = run(work)
    show(result.to_json(), machine=as_json, human=result.to_text())
