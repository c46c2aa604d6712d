"""The refund dialog: what it holds, which rules it keeps, and what it says when one is broken.

Only what can be known from the form itself is checked here; whether the amount is still there is the
service's to say, so that a form sent twice finds the refund it made the first time (F02).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.console.frame.forms import fen_of_yuan
from spapp.console.frame.forms import field as text_of
from spapp.web.pages import money
from spcore.errors import Text
from sptenants.orders.commands import IdempotencyKey, digest
from sptenants.orders.records import OrderRecord
from sptenants.refunds.commands import MAX_REASON, WantedRefund
from wechatpay.money import Fen

TYPED_TWICE_FROM = Fen(100_000)
"""An amount of ¥1,000 and above is typed a second time (console-and-api-design section 4)."""

_KEY = re.compile(r"[0-9A-Za-z_-]{32}")
_OUTDATED = Text(
    "页面已过期，没有退款。请核对金额后重新提交。",
    "The form was out of date, nothing was refunded. Check the amount and send it again.",
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for refunds of one order by one person. `rest` is what can still be given back."""

    rest: Fen
    approval_above: Fen | None
    has_second_factor: bool

    def needs_approval(self, amount: Fen) -> bool:
        return self.approval_above is not None and amount > self.approval_above

    def needs_code(self, amount: Fen) -> bool:
        """Whether a current code of the person's authenticator is asked for (S12)."""
        return self.has_second_factor and self.needs_approval(amount)

    @property
    def twice_from(self) -> Fen:
        return TYPED_TWICE_FROM

    @property
    def may_ask_twice(self) -> bool:
        return self.rest >= TYPED_TWICE_FROM

    @property
    def may_ask_code(self) -> bool:
        return self.needs_code(self.rest)


@dataclass(frozen=True, slots=True)
class RefundForm:
    """The fields as typed, in yuan. `key` makes sending it again find the same refund; `faults` by field."""

    amount: str
    key: str
    reason: str = ""
    again: str = ""
    code: str = field(default="", repr=False)
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def opened(cls, limits: Limits) -> RefundForm:
        return cls(amount=limits.rest.yuan, key=new_key())

    @classmethod
    def read(cls, form: Any) -> RefundForm:
        return cls(
            amount=text_of(form, "amount").strip(),
            key=text_of(form, "key"),
            reason=text_of(form, "reason").strip(),
            again=text_of(form, "again").strip(),
            code=text_of(form, "code").strip(),
        )

    @property
    def fen(self) -> Fen | None:
        return fen_of_yuan(self.amount)

    def check(self, limits: Limits) -> dict[str, Text]:
        """Return what is wrong, by field; empty when it may be asked for."""
        faults: dict[str, Text] = {}
        if _KEY.fullmatch(self.key) is None:
            faults["form"] = _OUTDATED
        if not self.reason:
            faults["reason"] = Text("请填写退款原因。", "Give the reason for the refund.")
        elif len(self.reason) > MAX_REASON:
            over = len(self.reason)
            faults["reason"] = Text(
                f"退款原因最多 {MAX_REASON} 个字符，现在是 {over} 个，请缩短。",
                f"The reason has {over} characters; shorten it to {MAX_REASON}.",
            )
        amount = self.fen
        if amount is None or amount.value == 0:
            faults["amount"] = Text(
                "请填写以元为单位、大于 0、最多两位小数的数字，例如 20.00。",
                "Write yuan as a number above 0 with at most two decimals, such as 20.00.",
            )
            return faults
        if amount >= TYPED_TWICE_FROM and fen_of_yuan(self.again) != amount:
            faults["again"] = Text(
                f"请再输入一次 {money(amount)}，与上面的金额一致。",
                f"Type {money(amount)} once more, the same amount as above.",
            )
        if limits.needs_code(amount) and not self.code:
            faults["code"] = Text(
                "金额超过限额，请输入身份验证器 App 当前显示的验证码。",
                "This amount is above the limit: give the code your authenticator shows now.",
            )
        return faults

    def wanted(self, amount: Fen) -> WantedRefund:
        return WantedRefund(amount=amount, reason=self.reason)

    def idempotency(self, order: OrderRecord, amount: Fen) -> IdempotencyKey:
        """Return the key of this form: valid for the order's tenant and for this order's dialog."""
        content = {"amount": amount.value, "reason": self.reason}
        return IdempotencyKey(f"refund dialog {order.id}", self.key, digest(content))


def new_key() -> str:
    return secrets.token_urlsafe(24)
