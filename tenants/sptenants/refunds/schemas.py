"""What refunds look like to programs (contract section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from sptenants.orders.errors import wechat_of
from sptenants.orders.records import OrderRecord
from sptenants.orders.schemas import moment
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.states import RefundStatus

_MOMENT = "2026-11-21T14:40:12+08:00"
_UNSETTLED = frozenset({RefundStatus.REQUESTED, RefundStatus.SUBMITTING, RefundStatus.REJECTED})


class RefundObject(msgspec.Struct, frozen=True, kw_only=True):
    """One refund. Amounts are whole fen."""

    id: Annotated[str, Meta(examples=["rfd_01JD3KB2C5T8Y1N4W7P0Z6MQRS"])]
    object: str = "refund"
    mode: Annotated[str, Meta(description="`test` 或 `live`", examples=["live"])]
    order_id: Annotated[str, Meta(examples=["ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"])]
    merchant_refund_no: Annotated[str | None, Meta(examples=["R20261121000187"])]
    out_refund_no: Annotated[
        str, Meta(description="商户退款单号，同一笔退款始终不变", examples=["01JD3KB2C5T8Y1N4W7P0Z6MQRS"])
    ]
    refund_id: Annotated[
        str | None, Meta(description="微信退款单号", examples=["50300001232026112100000000001"])
    ]
    amount: Annotated[int, Meta(description="分", examples=[2000])]
    currency: Annotated[str, Meta(examples=["CNY"])] = "CNY"
    status: Annotated[
        str,
        Meta(
            description="requested submitting processing succeeded rejected closed abnormal",
            examples=["processing"],
        ),
    ]
    reason: Annotated[str | None, Meta(examples=["少发一杯"])]
    purpose: Annotated[
        str, Meta(description="`order` 或 `duplicate`（退还重复支付的那一笔）", examples=["order"])
    ]
    source: Annotated[
        str, Meta(description="api_key console policy；`wechat` 为在微信侧发起", examples=["api_key"])
    ]
    approval: Annotated[str, Meta(description="none waiting given declined", examples=["none"])]
    refund_account: Annotated[
        str | None, Meta(description="退款入账账户，微信的原文", examples=["支付用户零钱"])
    ]
    created_at: Annotated[str, Meta(examples=[_MOMENT])]
    succeeded_at: Annotated[str | None, Meta(examples=[None])]
    wechat: Annotated[
        dict[str, Any] | UnsetType, Meta(description="微信最近一次拒绝的代码和说明，仅在未受理时有")
    ] = UNSET


class RefundList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of refunds, newest first."""

    object: str = "list"
    data: Sequence[RefundObject]
    next_cursor: str | None
    has_more: bool


def to_object(refund: RefundRecord) -> RefundObject:
    """Return the API's refund, with WeChat's last refusal while it matters."""
    refused = refund.failure if refund.status in _UNSETTLED else None
    return RefundObject(
        id=refund.id,
        mode=refund.mode,
        order_id=refund.order_id,
        merchant_refund_no=refund.merchant_refund_no,
        out_refund_no=refund.out_refund_no,
        refund_id=refund.wechat_refund_id,
        amount=refund.amount.value,
        status=refund.status.value,
        reason=refund.reason,
        purpose=refund.purpose.value,
        source=refund.source,
        approval=refund.approval.value,
        refund_account=refund.recv_account,
        created_at=moment(refund.created_at),
        succeeded_at=moment(refund.succeeded_at) if refund.succeeded_at else None,
        wechat=wechat_of(refused) if refused is not None else UNSET,
    )


def refund_object(refund: RefundRecord) -> dict[str, Any]:
    """Return the API's refund as plain JSON values, for events and problems."""
    plain: dict[str, Any] = msgspec.to_builtins(to_object(refund))
    return plain


def event_data(refund: RefundRecord, order: OrderRecord) -> dict[str, Any]:
    """Return the data of a refund's event: the refund, and what the order's totals are with it.

    The totals make the event with the highest sequence true whatever came before it (part 2.5).
    """
    return refund_object(refund) | {
        "order": {
            "id": order.id,
            "merchant_order_no": order.merchant_order_no,
            "status": order.status.value,
            "refund_status": order.refund_status,
            "amount": order.amount.value,
            "refunded_amount": order.refunded_amount.value,
            "refunding_amount": order.refunding_amount.value,
        }
    }
