"""Refusals as facts of the domain. They know their particulars and nothing of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence for people, in both languages of the product."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an input.

    `pointer` is a JSON pointer into the input, such as `#/providers/0/tenants/1/bindings/5`; `code` is
    stable snake_case; `text` names cause and fix.
    """

    pointer: str
    code: str
    text: Text


class DomainError(Exception):
    """Anything refused on purpose. Whatever is not one of these is a fault of ours.

    `code` is the stable snake_case word of the API (console-and-api-design section 9); `extra` are further
    members of the answer, such as the current order; `retry_after_s` is how long to wait, when waiting helps.
    """

    code = "invalid_request"
    retry_after_s: int | None = None

    def __init__(self, text: Text, *, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(text.en)
        self.text = text
        self.extra = dict(extra or {})


class InvalidInput(DomainError):
    """One or more fields are wrong; all of them are listed, nothing was stored."""

    code = "invalid_request"

    def __init__(self, *faults: Fault) -> None:
        super().__init__(
            Text(
                "；".join(f"{fault.pointer} {fault.text.zh.rstrip('。')}" for fault in faults) + "。",
                "; ".join(f"{fault.pointer} {fault.text.en.rstrip('.')}" for fault in faults) + ".",
            )
        )
        self.faults = faults


class NotFound(DomainError):
    """No such object for this caller; an object of somebody else gives exactly the same answer (Y3)."""

    code = "not_found"

    def __init__(self) -> None:
        super().__init__(Text("没有这个对象，或它不属于你。", "No such object, or it is not yours."))
