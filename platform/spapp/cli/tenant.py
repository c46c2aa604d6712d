"""`wxsp tenant`: many sub-merchants from a list."""

from __future__ import annotations

import sys
from typing import Any, BinaryIO

import click
from sqlalchemy import select

from spapp.cli.common import as_json, show
from spapp.cli.golive import go_live
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from spcore.providers.profile import ProviderProfile
from sptenants.onboarding.batch import Outcome, Plan
from sptenants.onboarding.sheet import COLUMNS, read_bytes
from sptenants.registry.door import ProviderCaller


@click.group()
def tenant() -> None:
    """特约商户 sub-merchants."""


tenant.add_command(go_live)


@tenant.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--provider", "provider_id", required=True, help="服务商 the service provider: prv_…")
@click.option("--apply", "applies", is_flag=True, help="导入；不加则只试运行 store it; a dry run otherwise")
@as_json
def import_list(file: BinaryIO, provider_id: str, applies: bool, as_json: bool) -> None:
    """从 CSV 导入 FILE，全部或一行也不 take sub-merchants in from a CSV FILE, all rows or none."""
    given = file.read()

    async def work(services: Services) -> Plan:
        sheet = read_bytes(given)
        caller = await _caller(services, provider_id)
        plan = await services.tenant_import.dry_run(caller, sheet)
        if not applies or not plan.ok:
            return plan
        return await services.tenant_import.apply(caller, sheet, plan.digest)

    plan = run(work)
    show(_answer(plan, applied=applies and plan.ok), machine=as_json, human=_words(plan))
    if not plan.ok:
        sys.exit(1)


async def _caller(services: Services, provider_id: str) -> ProviderCaller:
    async with services.database.read(ProviderScope(provider_id)) as session:
        row = await session.scalar(select(Provider).where(Provider.id == provider_id))
    if row is None:
        raise NotFound()
    return ProviderCaller(ProviderProfile.of(row), CLI)


def _answer(plan: Plan, *, applied: bool) -> dict[str, Any]:
    rows = [
        {
            "row": row.row.line,
            "name": row.row.name,
            "outcome": row.outcome.value,
            "changes": [one.field for one in row.differences],
            "errors": [{"column": fault.pointer, "code": fault.code} for fault in row.faults],
        }
        for row in plan.rows
    ]
    counts = {outcome.value: count for outcome, count in plan.counts.items()}
    return {"ok": plan.ok, "applied": applied, "counts": counts, "rows": rows}


def _words(plan: Plan) -> str:
    lines = [
        f"{row.row.line}: {row.row.name} {row.outcome.value}"
        + "".join(
            f"\n   {COLUMNS.get(fault.pointer.removeprefix('#/'), '')} {fault.text.zh} {fault.text.en}"
            for fault in row.faults
        )
        for row in plan.rows
        if row.outcome is not Outcome.UNCHANGED
    ]
    counts = " ".join(f"{outcome.value}={count}" for outcome, count in plan.counts.items())
    return "\n".join([*lines, counts])
