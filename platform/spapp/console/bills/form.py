"""The form by which a person has any bill fetched: a day, a kind, and a sub-merchant or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spapp.console.bills.words import ACCOUNT, KIND
from spapp.console.frame.forms import field as text_of
from spcore.errors import Text
from wechatpay.bills import Account, BillKind, BillWanted
from wechatpay.identifiers import SubMchId

KINDS: Mapping[str, tuple[BillKind, Account | None]] = {
    "trade": (BillKind.TRADE, None),
    **{
        account.value: (BillKind.FUND, account)
        for account in (Account.BASIC, Account.OPERATION, Account.FEES)
    },
}
"""What the form offers, by the value of its field. A deposit is a sub-merchant's alone: never asked for."""

_NO_DAY = Text("请填写 2026-11-21 这样的日期。", "Give a date like 2026-11-21.")
_NOT_YET = Text("这一天还没有到。", "This day has not come yet.")
_NO_KIND = Text("请选择账单类型。", "Choose which bill.")


@dataclass(frozen=True, slots=True)
class BillForm:
    """The fields as typed; `tenant` is a tenant's id or nothing for all. `faults` by field."""

    day: str = ""
    kind: str = "trade"
    tenant: str = ""
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> BillForm:
        return cls(
            day=text_of(form, "day").strip(), kind=text_of(form, "kind"), tenant=text_of(form, "tenant")
        )

    @property
    def kinds(self) -> tuple[tuple[str, str, str | None], ...]:
        """The choices: value, word, and the account's word."""
        return tuple(
            (value, KIND[kind], ACCOUNT[account] if account else None)
            for value, (kind, account) in KINDS.items()
        )

    @property
    def wanted_day(self) -> date | None:
        try:
            return date.fromisoformat(self.day) if len(self.day) == 10 else None
        except ValueError:
            return None

    def check(self, today: date) -> dict[str, Text]:
        """Return what is wrong, by field. Whether WeChat has a bill of the day is WeChat's to say."""
        faults: dict[str, Text] = {}
        if (day := self.wanted_day) is None:
            faults["day"] = _NO_DAY
        elif day > today:
            faults["day"] = _NOT_YET
        if self.kind not in KINDS:
            faults["kind"] = _NO_KIND
        return faults

    def wanted(self, day: date, number: str | None) -> BillWanted:
        """Return what WeChat is asked for; `number` is the sub-merchant's."""
        kind, account = KINDS[self.kind]
        return BillWanted(day, kind, account, None if number is None else SubMchId(number))
