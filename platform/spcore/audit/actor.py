"""Who acts: a person, a key, the command line or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ActorKind = Literal["person", "api_key", "session", "cli", "system", "link"]


@dataclass(frozen=True, slots=True)
class Actor:
    kind: ActorKind
    id: str | None
    name: str


SYSTEM = Actor("system", None, "system")
