"""What daily statements and differences look like to programs, and what events of bills carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from sptenants.orders.schemas import moment
from sptenants.reconciliation.causes import CauseCode
from sptenants.reconciliation.records import DifferenceRecord, StatementRecord
from sptenants.reconciliation.states import DifferenceDetail, DifferenceKind, StatementState
from sptenants.reconciliation.words import explain

_MOMENT = "2026-11-22T10:06:31+08:00"
_DAY = "2026-11-21"
_COUNT = Meta(description="笔数", examples=[187])
_FEN = Meta(description="分", examples=[2393600])
_NOTHING = {"count": 0, "amount": 0}
_TERMS = dict.fromkeys(
    ("missing_here", "missing_there", "differing", "shifted_in", "shifted_out", "suspended"), _NOTHING
)
_PAID, _REFUNDED = {"count": 187, "amount": 2393600}, {"count": 2, "amount": 4000}
_PROOF = {
    "payments": {"ours": _PAID, **_TERMS, "theirs": _PAID},
    "refunds": {"ours": _REFUNDED, **_TERMS, "theirs": _REFUNDED},
    "edition": 1,
}
_MILLIFEN = "千分之一分：768000 为 7.68 元"


class SideObject(msgspec.Struct, frozen=True, kw_only=True):
    """What one side counts on the day. A refund counts on the day on which it was accepted."""

    paid_count: Annotated[int, _COUNT]
    paid_amount: Annotated[int, _FEN]
    refunded_count: Annotated[int, Meta(description="笔数", examples=[2])]
    refunded_amount: Annotated[int, Meta(description="分", examples=[4000])]
    net_amount: Annotated[int, Meta(description="收款减退款，分，可为负", examples=[2389600])]


class StatementObject(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a tenant: our books against WeChat's bill. Days are those of Beijing."""

    id: Annotated[str, Meta(examples=["sta_01JD3M2W7Q4M6X0B2T9V5H1CZN"])]
    object: str = "statement"
    mode: Annotated[str, Meta(description="`test` 或 `live`", examples=["live"])]
    date: Annotated[str, Meta(examples=[_DAY])]
    state: Annotated[str, Meta(description=" ".join(StatementState), examples=["balanced"])]
    ours: Annotated[SideObject, Meta(description="本平台的账")]
    bill: Annotated[SideObject, Meta(description="微信的账单")]
    settled_amount: Annotated[int, Meta(description="账单的应结订单金额，分", examples=[2393600])]
    fee: Annotated[int, Meta(description=f"账单的手续费，{_MILLIFEN}", examples=[14337600])]
    waiting_count: Annotated[int, Meta(description="等待后来账单的笔数，不算差异", examples=[1])]
    waiting_amount: Annotated[int, Meta(description="分", examples=[12800])]
    differences: Annotated[int, Meta(description="发现过的差异", examples=[0])]
    open_differences: Annotated[int, Meta(description="还没有处理的差异", examples=[0])]
    digest: Annotated[
        str,
        Meta(
            description="日对账单内容的 SHA-256",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
        ),
    ]
    made_at: Annotated[str, Meta(examples=[_MOMENT])]
    updated_at: Annotated[str, Meta(examples=[_MOMENT])]


class StatementList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of daily statements, newest day first."""

    object: str = "list"
    data: Sequence[StatementObject]
    next_cursor: str | None
    has_more: bool


class DifferenceObject(msgspec.Struct, frozen=True, kw_only=True):
    """One thing in which our books and the bill differ."""

    id: Annotated[str, Meta(examples=["dif_01JD3M2W7Q4M6X0B2T9V5H1CZN"])]
    object: str = "difference"
    kind: Annotated[str, Meta(description=" ".join(DifferenceKind), examples=["amount"])]
    detail: Annotated[str, Meta(description=" ".join(DifferenceDetail), examples=["amount"])]
    title: Annotated[str, Meta(examples=["收款金额不同"])]
    meaning: Annotated[str, Meta(examples=["同一笔收款，账单的订单金额与我方不同。"])]
    cause: Annotated[
        str | None,
        Meta(description="可能的原因：" + " ".join(CauseCode), examples=["amount_differs_at_wechat"]),
    ]
    cause_text: Annotated[str, Meta(examples=["微信查单的金额是 ¥127.00，与账单一致。"])]
    action: Annotated[
        str, Meta(examples=["以微信侧的实际收款为准核对订单：少收的补收，多收的退还，再写明结果。"])
    ]
    out_trade_no: Annotated[str | None, Meta(examples=["01JD3K8W7Q4M6X0B2T9V5H1CZN"])]
    transaction_id: Annotated[str | None, Meta(examples=["4200002026112112345678901234"])]
    out_refund_no: Annotated[str | None, Meta(examples=[None])]
    order_id: Annotated[str | None, Meta(examples=["ord_01JD3K8W7Q4M6X0B2T9V5H1CZN"])]
    refund_id: Annotated[str | None, Meta(examples=[None])]
    unit: Annotated[
        Literal["fen", "millifen"],
        Meta(description=f"两边金额的单位；手续费为 millifen，{_MILLIFEN}", examples=["fen"]),
    ]
    ours: Annotated[int | None, Meta(description="我方没有时为 null", examples=[12800])]
    theirs: Annotated[int | None, Meta(description="账单没有时为 null", examples=[12700])]
    found_at: Annotated[str, Meta(examples=[_MOMENT])]


class StatementDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A daily statement with what proves it and what is open."""

    statement: StatementObject
    proof: Annotated[
        dict[str, Any],
        Meta(
            description=(
                "payments 和 refunds 各有从我方到账单的各项，每项有笔数和分：ours + missing_here"
                " - missing_there + differing + shifted_in - shifted_out - suspended = theirs。"
                "withheld 为只有服务商能看到的差异数，unproven 为没有解释的部分，没有时不出现"
            ),
            examples=[_PROOF],
        ),
    ]
    open_differences: Annotated[
        Sequence[DifferenceObject], Meta(description="未处理的差异，新的在前，最多 100 条")
    ]


def statement_object(statement: StatementRecord) -> StatementObject:
    """Return the API's daily statement."""
    return StatementObject(
        id=statement.id,
        mode=statement.mode,
        date=statement.day.isoformat(),
        state=statement.state.value,
        ours=SideObject(
            paid_count=statement.paid_count,
            paid_amount=statement.paid_amount.value,
            refunded_count=statement.refunded_count,
            refunded_amount=statement.refunded_amount.value,
            net_amount=statement.net,
        ),
        bill=SideObject(
            paid_count=statement.bill_paid_count,
            paid_amount=statement.bill_paid_amount.value,
            refunded_count=statement.bill_refunded_count,
            refunded_amount=statement.bill_refunded_amount.value,
            net_amount=statement.bill_net,
        ),
        settled_amount=statement.bill_settled_amount,
        fee=statement.bill_fee,
        waiting_count=statement.suspended_count,
        waiting_amount=statement.suspended_amount.value,
        differences=statement.differences,
        open_differences=statement.open_differences,
        digest=statement.digest,
        made_at=moment(statement.made_at),
        updated_at=moment(statement.updated_at),
    )


def event_data(statement: StatementRecord) -> dict[str, Any]:
    """Return the data of `bill.balanced` and `bill.different`: the statement as the API shows it."""
    plain: dict[str, Any] = msgspec.to_builtins(statement_object(statement))
    return plain


def difference_object(difference: DifferenceRecord, language: Literal["zh", "en"] = "zh") -> DifferenceObject:
    """Return the API's difference, explained in the caller's language."""
    words = explain(difference)
    return DifferenceObject(
        id=difference.id,
        kind=difference.kind.value,
        detail=difference.detail.value,
        title=getattr(words.title, language),
        meaning=getattr(words.meaning, language),
        cause=difference.cause,
        cause_text=getattr(words.cause, language),
        action=getattr(words.action, language),
        out_trade_no=difference.out_trade_no,
        transaction_id=difference.transaction_id,
        out_refund_no=difference.out_refund_no,
        order_id=difference.order_id,
        refund_id=difference.refund_id,
        unit="millifen" if difference.is_fee else "fen",
        ours=difference.ours,
        theirs=difference.theirs,
        found_at=moment(difference.found_at),
    )
