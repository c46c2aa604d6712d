"""`wxsp doctor`: the preflight rows, as console and API show them; exit 1 on any failed row."""

from __future__ import annotations

import sys
from typing import Any

import click
from sqlalchemy import select

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from sptenants.doctor.rows import DoctorReport, DoctorRow, Level
from sptenants.registry.models import Tenant

_MARKS = {Level.PASS: "✓", Level.WARN: "!", Level.FAIL: "✗", Level.UNCHECKED: "–"}


@click.command()
@as_json
@click.option("--tenant", "tenant_id", help="只检查一个商户 one tenant with its provider: ten_…")
@click.option("--offline", is_flag=True, help="不询问微信 look at our own records only")
def doctor(tenant_id: str | None, offline: bool, as_json: bool) -> None:
    """接入体检 check keys, addresses, relations and bindings; exit 1 on any failed row."""

    async def work(services: Services) -> list[tuple[str, DoctorReport]]:
        subjects = await _subjects(services, tenant_id)
        return [
            (tenant or scope.provider_id, await services.doctor.run(scope, tenant, CLI, live=not offline))
            for scope, tenant in subjects
        ]

    found = run(work)
    rows = [_wire(subject, row) for subject, report in found for row in report.rows]
    human = "\n".join(_line(row) for _subject, report in found for row in report.rows)
    show({"ok": not _failed(found), "rows": rows}, machine=as_json, human=human)
    if _failed(found):
        sys.exit(1)


async def _subjects(services: Services, tenant_id: str | None) -> list[tuple[ProviderScope, str | None]]:
    """Return whom to examine: one tenant, or every provider. Raises NotFound."""
    async with services.database.read(PlatformScope("doctor")) as session:
        if tenant_id is None:
            return [(ProviderScope(one), None) for one in await session.scalars(select(Provider.id))]
        owner = await session.scalar(select(Tenant.provider_id).where(Tenant.id == tenant_id))
    if owner is None:
        raise NotFound
    return [(ProviderScope(owner), tenant_id)]


def _failed(found: list[tuple[str, DoctorReport]]) -> bool:
    return any(report.failed for _subject, report in found)


def _wire(subject: str, row: DoctorRow) -> dict[str, Any]:
    return {
        "subject": subject,
        "code": row.code,
        "level": row.level.value,
        "title": row.title.zh,
        "cause": row.cause.zh if row.cause else None,
        "repair": row.repair.zh if row.repair else None,
        "binding_id": row.binding_id,
        "sub_appid": row.about,
        "evidence_id": row.evidence_id,
    }


def _line(row: DoctorRow) -> str:
    about = f" {row.about}" if row.about else ""
    head = f"{_MARKS[row.level]} {row.code}{about} {row.title.zh} {row.title.en}"
    if row.cause is None or row.repair is None:
        return head
    return f"{head}\n    {row.cause.zh} {row.repair.zh}\n    {row.cause.en} {row.repair.en}"
