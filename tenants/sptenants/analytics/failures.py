"""Why orders failed: WeChat's codes by how often they came."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.errors import Text
from sptenants.analytics.cuts import Cut
from sptenants.orders.models import Order
from sptenants.orders.states import OrderStatus
from wechatpay.explain import explain

LOOKED_AT = 20_000
"""Failed orders looked at, the newest ones."""
MOST_REASONS = 12


@dataclass(frozen=True, slots=True)
class FailureReason:
    """One code of one operation; `message` is WeChat's own text of one of the orders."""

    api: str
    code: str
    message: str
    count: int

    @property
    def meaning(self) -> Text:
        """What the code means in plain words; WeChat's own text for a code that nobody has described."""
        known = explain(self.api, self.code, self.message)
        return Text(known.cause_zh, known.cause_en) if known else Text(self.message, self.message)


async def failure_reasons(session: AsyncSession, cut: Cut) -> tuple[FailureReason, ...]:
    """Return the most frequent reasons of failed orders that were created in the cut, most frequent first."""
    failure = Order.failure
    failed = (
        select(
            failure["api"].as_string().label("api"),
            failure["code"].as_string().label("code"),
            failure["message"].as_string().label("message"),
        )
        .where(
            *cut.owned(Order),
            # As it stands, so that PostgreSQL sees that the index of failures fits.
            Order.status == literal(OrderStatus.FAILED.value, literal_execute=True),
            Order.created_at >= cut.begin,
            Order.created_at < cut.end,
        )
        .order_by(Order.created_at.desc())
        .limit(LOOKED_AT)
    )
    if cut.part.sub_appid is not None:
        failed = failed.where(Order.sub_appid == cut.part.sub_appid)
    found = failed.subquery()
    query = (
        select(found.c.api, found.c.code, func.min(found.c.message), func.count())
        .group_by(found.c.api, found.c.code)
        .order_by(func.count().desc(), found.c.code)
        .limit(MOST_REASONS)
    )
    rows = (await session.execute(query)).all()
    return tuple(
        FailureReason(api or "", code or "", message or "", count) for api, code, message, count in rows
    )
