"""Refusals about anomalies."""

from __future__ import annotations

from spcore.errors import DomainError, Fault, InvalidInput, Text
from sptenants.anomalies.records import AnomalyRecord
from sptenants.anomalies.schemas import plain_anomaly

MAX_NOTE = 500


class AlreadyResolved(DomainError):
    """Somebody was faster, or it settled by itself; the answer holds the anomaly as it is."""

    code = "state_conflict"

    def __init__(self, anomaly: AnomalyRecord) -> None:
        super().__init__(
            Text(
                f"该事项已由 {anomaly.resolved_by} 处理，无需再标记。",
                f"{anomaly.resolved_by} has resolved it already; nothing is left to do.",
            ),
            extra={"anomaly": plain_anomaly(anomaly)},
        )


def note_missing() -> InvalidInput:
    """Return the refusal of a resolution that does not say what was done."""
    text = Text(
        f"请写明处理结果，1–{MAX_NOTE} 个字符。", f"say what was done, in 1 to {MAX_NOTE} characters."
    )
    return InvalidInput(Fault("#/note", "missing", text))
