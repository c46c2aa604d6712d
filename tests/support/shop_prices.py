"""Price lists of the lived-in installation: plain ones, the longest and largest, and one switched off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from sptenants.prices.service import MAX_AMOUNT, NewPrice, put

HOSTILE = '<script>alert("x")</script>{{7*7}}'
OF_NEIGHBOUR, OF_STRANGER = "pri_01JD3K8W7Q4M6X0B2T9V5H1CZA", "pri_01JD3K8W7Q4M6X0B2T9V5H1CZB"
"""Codes with the shape of ids, so that answers about them differ in nothing else."""

OWN = (
    NewPrice("latte", "拿铁", 1_280, 20),
    NewPrice("americano", "美式咖啡", 980, 20),
    NewPrice("X" * 64, "上海市徐汇区漕河泾新兴技术开发区力行健身俱乐部年卡", MAX_AMOUNT, 9_999),
    NewPrice("hostile", HOSTILE, 100, 1),
    NewPrice("winter.special-2025", "冬季限定", 3_200, 5, active=False),
)
NEIGHBOURS = (NewPrice(OF_NEIGHBOUR, "年卡会员", 256_000, 1),)
STRANGERS = (NewPrice(OF_STRANGER, "体检套餐 B", 45_000, 1),)


async def add_prices(
    database: Database, own: TenantScope, neighbour: TenantScope, stranger: TenantScope, now: datetime
) -> None:
    lists: Sequence[tuple[TenantScope, Sequence[NewPrice]]] = (
        (own, OWN),
        (neighbour, NEIGHBOURS),
        (stranger, STRANGERS),
    )
    for scope, prices in lists:
        async with database.write(scope) as session:
            for price in prices:
                await put(session, scope, price, now)
