"""Every code of WeChat in plain words: cause, who must act, what to do. The texts are in explain*.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any, Literal, get_args

Outcome = Literal["refused", "unknown", "paid", "closed", "retry"]
"""What a code says of the order: `refused` final, nothing was done; `unknown` ask before anything
else; `paid`, `closed` it is so already; `retry` not accepted, the same call may be made again."""


class Who(StrEnum):
    """Who can mend it; `wait` means nobody needs to."""

    PROVIDER = "provider"
    MERCHANT = "merchant"
    DEVELOPER = "developer"
    WECHAT = "wechat"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code of one operation. Texts are full sentences in Chinese and English."""

    api: str
    code: str
    cause_zh: str
    cause_en: str
    who: Who
    fix_zh: str
    fix_en: str
    retry_safe: bool
    outcome: Outcome
    menu_checked: date | None = None
    """When the menu that `fix_zh` names was last looked up in WeChat's documentation; None: it names none."""


@dataclass(frozen=True, slots=True)
class _Entry:
    message: re.Pattern[str] | None
    explanation: Explanation


ANY_API = "*"
_TABLES = (
    "explain.toml",
    "explain_micropay.toml",
    "explain_refunds.toml",
    "explain_v3.toml",
    "explain_bills.toml",
)


def explain(api: str, code: str, message: str = "") -> Explanation | None:
    """The explanation of `code` as answered by `api`, or None for a code nobody has described.

    `api` is an operation ("unifiedorder", "micropay", "orderquery", "closeorder", "reverse", "refund",
    "refundquery", "downloadbill", "downloadfundflow", "jscode2session", and of API v3 "v3.prepay",
    "v3.query", "v3.close", "v3.refund", "v3.refund_query", "v3.certificates", "v3.echo", "v3.tradebill",
    "v3.fundflowbill", "v3.sub_fundflowbill", "v3.billdownload"), "requestPayment" or "trade_state". An entry
    of the operation goes before one of all, one whose pattern finds `message` before one without pattern.
    The code "FAIL" is the return level, where WeChat sends a text only; that text is for display and never
    decides anything (wechatpay-v2 1.5).
    """
    for scope in (api, ANY_API):
        plain = None
        for entry in _table().get((scope, code), ()):
            if entry.message is None:
                plain = entry.explanation
            elif entry.message.search(message):
                return entry.explanation
        if plain is not None:
            return plain
    return None


def all_explanations() -> tuple[Explanation, ...]:
    """Every explanation, for help pages and tests."""
    return tuple(entry.explanation for entries in _table().values() for entry in entries)


@cache
def _table() -> dict[tuple[str, str], tuple[_Entry, ...]]:
    table: dict[tuple[str, str], tuple[_Entry, ...]] = {}
    texts = (files("wechatpay").joinpath(name).read_text(encoding="utf-8") for name in _TABLES)
    for row in chain.from_iterable(tomllib.loads(text)["entry"] for text in texts):
        for api in row["api"]:
            for code in row["code"]:
                entry = _entry(api, code, row)
                table[api, code] = (*table.get((api, code), ()), entry)
    return table


def _entry(api: str, code: str, row: dict[str, Any]) -> _Entry:
    if row["outcome"] not in get_args(Outcome):
        raise ValueError(f"{api} {code}: unknown outcome")
    explanation = Explanation(
        api=api,
        code=code,
        cause_zh=row["cause_zh"],
        cause_en=row["cause_en"],
        who=Who(row["who"]),
        fix_zh=row["fix_zh"],
        fix_en=row["fix_en"],
        retry_safe=row["retry_safe"],
        outcome=row["outcome"],
        menu_checked=row.get("menu_checked"),
    )
    return _Entry(re.compile(row["message"]) if "message" in row else None, explanation)
