"""What the demo remembers between starts: the example installation and how to sign in to it.

The file is readable by its owner alone; every secret in it was made at random on this machine.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VAR = Path("var")
_FILES = ("demo.json", "master.key", "wxsp.db*", "simulator.db*", "demo-*.log", "demo-shop.pem")


@dataclass(slots=True)
class Memory:
    """`document` is the import file; `tenants` what importing it answered, by sub-merchant number."""

    document: dict[str, Any]
    tenants: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_seeded: bool = False


def load() -> Memory | None:
    """Return what an earlier start left, or None on the first one."""
    try:
        kept = json.loads((VAR / "demo.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Memory(kept["document"], kept["tenants"], kept["is_seeded"])


def as_bytes(document: dict[str, Any]) -> bytes:
    """Return an import file as `wxsp import` reads it."""
    return json.dumps(document, ensure_ascii=False).encode()


def save(memory: Memory) -> None:
    VAR.mkdir(exist_ok=True)
    kept = {"document": memory.document, "tenants": memory.tenants, "is_seeded": memory.is_seeded}
    made = VAR / ".demo.json.new"
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(kept, file, ensure_ascii=False, indent=1)
    made.replace(VAR / "demo.json")


def wipe() -> None:
    """Delete the demo's own files, and nothing else that somebody may keep in the same folder."""
    for pattern in _FILES:
        for path in VAR.glob(pattern):
            path.unlink()
