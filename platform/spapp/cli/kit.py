"""`wxsp kit`: the mini-program kit of one tenant."""

from __future__ import annotations

from pathlib import Path

import click

from spapp.asgi import api_document
from spapp.cli.common import as_json, refuse, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.kit.facts import KIT_VERSION
from spapp.kit.service import Kit
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, ProviderScope


@click.group()
def kit() -> None:
    """小程序接入包 the mini-program kit."""


@kit.command()
@as_json
@click.option("--tenant", "tenant_id", required=True, help="商户编号 ten_…")
@click.option("--appid", "sub_appid", help="为哪个小程序 for which mini-program; its first one when left out")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.zip")
def build(tenant_id: str, sub_appid: str | None, out: Path, as_json: bool) -> None:
    """生成一个商户的接入包 write the kit of one tenant to a file; audited."""

    async def work(services: Services) -> Kit:
        detail = await services.tenant_reader.detail(PlatformScope("kit build"), tenant_id)
        scope = ProviderScope(detail.provider.id)
        return await services.kits.make(scope, tenant_id, sub_appid, api_document(services), CLI, None)

    made = run(work)
    try:
        out.write_bytes(made.content)
    except OSError as error:
        refuse(f"{out}: {error.strerror}")
    answer = {
        "file": str(out),
        "tenant_id": tenant_id,
        "sub_appid": made.facts.chosen,
        "kit": KIT_VERSION,
        "bytes": len(made.content),
    }
    show(answer, machine=as_json, human=f"{out} {len(made.content)} B")
