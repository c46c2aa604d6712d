"""Refusals about differences, statements and agreed rates."""

from __future__ import annotations

from spcore.errors import DomainError, Fault, InvalidInput, Text
from sptenants.reconciliation.records import DifferenceRecord

MAX_NOTE = 500


class AlreadyResolved(DomainError):
    """Somebody was faster, or it settled by itself."""

    code = "state_conflict"

    def __init__(self, difference: DifferenceRecord) -> None:
        by = difference.resolved_by or "system"
        super().__init__(
            Text(
                f"该差异已由 {by} 处理，无需再标记。",
                f"{by} has resolved this difference already; nothing is left to do.",
            )
        )
        self.difference = difference


class NotAskable(DomainError):
    """WeChat answers no question that could settle it."""

    code = "state_conflict"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "这类差异向微信查询没有用，请核实后写明处理结果。",
                "Asking WeChat does not help with this one; look into it and note what was done.",
            )
        )


def note_missing() -> InvalidInput:
    """Return the refusal of a closing that does not say what was done."""
    text = Text(
        f"请写明处理结果，1–{MAX_NOTE} 个字符。", f"say what was done, in 1 to {MAX_NOTE} characters."
    )
    return InvalidInput(Fault("#/note", "missing", text))
