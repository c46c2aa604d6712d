"""Settings of the running simulator that the ledger keeps, so that a restart finds them as they were."""

from __future__ import annotations

import json
from typing import TypeVar

from .ledger import Ledger

_T = TypeVar("_T")


def read(ledger: Ledger, name: str, default: _T) -> _T:
    """Return a setting, `default` when it was never kept."""
    row = ledger.row("SELECT value FROM setting WHERE name = ?", name)
    if row is None:
        return default
    value: _T = json.loads(row["value"])
    return value


def keep(ledger: Ledger, name: str, value: object) -> None:
    """Keep a setting; the value must be JSON."""
    ledger.run("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", name, json.dumps(value))
