"""`wxsp heals`: what the platform put right by itself."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import PlatformScope
from sptenants.anomalies.records import HealFilter, HealRecord
from sptenants.anomalies.schemas import heal_object

NEWEST = 50


@click.command()
@click.option("--tenant", "tenant_id", help="只看一个商户 one tenant only: ten_…")
@click.option("--limit", default=NEWEST, type=click.IntRange(1, 1000), help="最多条数 at most so many")
@as_json
def heals(tenant_id: str | None, limit: int, as_json: bool) -> None:
    """自愈记录，新的在前 what was wrong, since when, and how long it took; the newest first."""

    async def work(services: Services) -> Sequence[HealRecord]:
        wanted = HealFilter(tenant_id=tenant_id)
        return (await services.anomalies.heals(PlatformScope("heals"), wanted, limit)).rows

    found = [heal_object(heal) for heal in run(work)]
    lines = [
        f"{heal.healed_at}  {heal.wrong}  {heal.order_id}  {heal.before} → {heal.after}"
        f"  {heal.took_s} s  {heal.queries} 次查询 queries"
        for heal in found
    ]
    human = "\n".join(lines) or "没有自愈记录 nothing had to be healed"
    show(msgspec.to_builtins(found), machine=as_json, human=human)
