"""Where a bill stands, and who reads which (console-and-api-design section 6)."""

from __future__ import annotations

from enum import StrEnum


class BillState(StrEnum):
    """A bill on its way: `downloaded` is complete and checked, but not compared yet."""

    WAITING = "waiting"
    DOWNLOADED = "downloaded"
    BALANCED = "balanced"
    DIFFERENT = "different"
    FAILED = "failed"


TAKEN = (BillState.DOWNLOADED, BillState.BALANCED, BillState.DIFFERENT)
"""States in which a file is there."""
