"""`wxsp tenant go-live`: the last step of onboarding, as console and API take it."""

from __future__ import annotations

import click
from sqlalchemy import select

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from sptenants.registry.models import Tenant


@click.command("go-live")
@click.argument("tenant_id")
@click.option("--reason", help="跳过未满足条件的原因 why what is missing is overruled; audited")
@as_json
def go_live(tenant_id: str, reason: str | None, as_json: bool) -> None:
    """上线 let TENANT_ID (ten_…) take money; exit 1 and what is missing when it is not ready."""

    async def work(services: Services) -> bool:
        async with services.database.read(PlatformScope("going live")) as session:
            owner = await session.scalar(select(Tenant.provider_id).where(Tenant.id == tenant_id))
        if owner is None:
            raise NotFound
        return await services.golive.go_live(ProviderScope(owner), tenant_id, CLI, override_reason=reason)

    changed = run(work)
    words = "已上线 live now" if changed else "早已上线 live already"
    show(
        {"id": tenant_id, "status": "live", "changed": changed}, machine=as_json, human=f"{tenant_id} {words}"
    )
