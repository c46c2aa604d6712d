"""What anomalies and heals look like to programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sptenants.anomalies.records import AnomalyRecord, HealRecord
from sptenants.anomalies.words import words_of
from sptenants.orders.disputes import AnomalyKind
from sptenants.orders.heals import Wrong
from sptenants.orders.schemas import moment

_MOMENT = "2026-11-21T14:32:08+08:00"
_ORDER_ID = "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"


class AnomalyObject(msgspec.Struct, frozen=True, kw_only=True):
    """One thing where money and intent differ, for a person to look at."""

    id: Annotated[str, Meta(examples=["ano_01JD3M2W7Q4M6X0B2T9V5H1CZN"])]
    object: str = "anomaly"
    kind: Annotated[str, Meta(description=" ".join(AnomalyKind), examples=["double_payment"])]
    state: Annotated[str, Meta(description="open resolved", examples=["open"])]
    title: Annotated[str, Meta(examples=["重复支付"])]
    meaning: Annotated[str, Meta(examples=["同一订单收到了第二笔付款，订单仍按第一笔记账。"])]
    action: Annotated[str, Meta(examples=["退回多付的一笔；已另行补偿付款人时，写明后标记为已处理。"])]
    order_id: Annotated[str | None, Meta(examples=[_ORDER_ID])]
    refund_id: Annotated[str | None, Meta(examples=[None])]
    amount: Annotated[int | None, Meta(description="分", examples=[12800])]
    facts: Annotated[
        dict[str, Any],
        Meta(description="经过，随种类而异", examples=[{"transaction_id": "4200002026112112345678901234"}]),
    ]
    seen: Annotated[int, Meta(description="出现的次数", examples=[1])]
    raised_at: Annotated[str, Meta(examples=[_MOMENT])]
    last_seen_at: Annotated[str, Meta(examples=[_MOMENT])]
    resolved_at: Annotated[str | None, Meta(examples=[None])]
    resolved_by: Annotated[
        str | None, Meta(description="人员或密钥的名称，自动恢复时为 system", examples=[None])
    ]
    note: Annotated[str | None, Meta(description="处理结果", examples=[None])]


class AnomalyList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: Sequence[AnomalyObject]
    next_cursor: str | None
    has_more: bool


class HealObject(msgspec.Struct, frozen=True, kw_only=True):
    """Something the platform put right by itself."""

    id: Annotated[str, Meta(examples=["hea_01JD3M2W7Q4M6X0B2T9V5H1CZN"])]
    object: str = "heal"
    order_id: Annotated[str, Meta(examples=[_ORDER_ID])]
    refund_id: Annotated[str | None, Meta(examples=[None])]
    wrong: Annotated[str, Meta(description=" ".join(Wrong), examples=["lost_notification"])]
    before: Annotated[str, Meta(description="恢复前的状态", examples=["pending"])]
    after: Annotated[str, Meta(description="恢复后的状态", examples=["paid"])]
    since: Annotated[str, Meta(description="从何时起不对", examples=[_MOMENT])]
    healed_at: Annotated[str, Meta(examples=[_MOMENT])]
    took_s: Annotated[int, Meta(description="用时，秒", examples=[61])]
    queries: Annotated[int, Meta(description="向微信查询的次数", examples=[1])]


class HealList(msgspec.Struct, frozen=True, kw_only=True):
    object: str = "list"
    data: Sequence[HealObject]
    next_cursor: str | None
    has_more: bool


def anomaly_object(anomaly: AnomalyRecord, language: Literal["zh", "en"] = "zh") -> AnomalyObject:
    """Return the API's anomaly, explained in the caller's language."""
    words = words_of(anomaly.kind)
    return AnomalyObject(
        id=anomaly.id,
        kind=anomaly.kind.value,
        state=anomaly.state,
        title=getattr(words.title, language),
        meaning=getattr(words.meaning, language),
        action=getattr(words.action, language),
        order_id=anomaly.order_id,
        refund_id=anomaly.refund_id,
        amount=anomaly.amount.value if anomaly.amount else None,
        facts=anomaly.facts,
        seen=anomaly.seen,
        raised_at=moment(anomaly.raised_at),
        last_seen_at=moment(anomaly.last_seen_at),
        resolved_at=moment(anomaly.resolved_at) if anomaly.resolved_at else None,
        resolved_by=anomaly.resolved_by,
        note=anomaly.note,
    )


def plain_anomaly(anomaly: AnomalyRecord) -> dict[str, Any]:
    """Return the API's anomaly as plain JSON values, for problems."""
    plain: dict[str, Any] = msgspec.to_builtins(anomaly_object(anomaly))
    return plain


def heal_object(heal: HealRecord) -> HealObject:
    """Return the API's heal."""
    return HealObject(
        id=heal.id,
        order_id=heal.order_id,
        refund_id=heal.refund_id,
        wrong=heal.wrong.value,
        before=heal.before,
        after=heal.after,
        since=moment(heal.since),
        healed_at=moment(heal.healed_at),
        took_s=round(heal.took.total_seconds()),
        queries=heal.queries,
    )
