"""Reading what callers send about refunds: every fault found is listed, with its place (F05)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from spcore.errors import Text
from sptenants.orders.reading import (
    Reader,
    limit_of,
    moment_of,
    once,
    present,
    unknown_field,
    unknown_parameter,
)
from sptenants.refunds.commands import MAX_REASON, WantedRefund
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.states import RefundStatus
from wechatpay.money import MAX_AMOUNT, Fen

_NUMBER = re.compile(r"[0-9A-Za-z_\-.|*:/#@]{1,64}")
_NUMBER_RULE = Text(
    "应为 1–64 位字母、数字或 _ - . | * : / # @ 。",
    "must be 1 to 64 letters, digits or any of _ - . | * : / # @",
)
_BODY = frozenset({"merchant_refund_no", "amount", "reason"})
_QUERY = frozenset(
    {"status", "order_id", "merchant_refund_no", "created_from", "created_to", "limit", "cursor"}
)


def read_refund(document: object) -> WantedRefund:
    """Read the body of `POST /v1/orders/{id}/refunds`. Raises InvalidInput listing every fault."""
    reader = Reader(document)
    reader.only(_BODY, unknown_field)
    number = reader.text("merchant_refund_no", _NUMBER, _NUMBER_RULE)
    amount = reader.whole("amount", 1, MAX_AMOUNT, required=True)
    reason = _reason(reader)
    reader.done()
    return WantedRefund(Fen(present(amount)), reason, number)


def read_list_query(query: Sequence[tuple[str, str]]) -> tuple[RefundFilter, int, str | None]:
    """Read the parameters of `GET /v1/refunds`: filter, limit, cursor. Raises InvalidInput."""
    reader = Reader(once(query))
    reader.only(_QUERY, unknown_parameter)
    status = reader.get("status")
    if status is not None and status not in set(RefundStatus):
        names = " ".join(RefundStatus)
        reader.fault("status", "invalid_value", f"应为其中之一：{names}。", f"must be one of {names}.")
        status = None
    created_from, created_to = moment_of(reader, "created_from"), moment_of(reader, "created_to")
    limit = limit_of(reader)
    reader.done()
    wanted = RefundFilter(
        status=RefundStatus(status) if status else None,
        order_id=reader.get("order_id"),
        merchant_refund_no=reader.get("merchant_refund_no"),
        created_from=created_from,
        created_to=created_to,
    )
    return wanted, limit, reader.get("cursor")


def _reason(reader: Reader) -> str | None:
    value = reader.get("reason")
    if value is None or (isinstance(value, str) and len(value) <= MAX_REASON and "\0" not in value):
        return value
    reader.fault(
        "reason",
        "invalid_format",
        f"应为不超过 {MAX_REASON} 个字符的文本。",
        f"must be text of at most {MAX_REASON} characters.",
    )
    return None
