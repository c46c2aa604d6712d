"""Who is told which keys messages are met with, and which are refused: books of uses, and metrics (K01)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from spcore.providers.models import KeyKind
from spcore.providers.uses import Channel


@dataclass(frozen=True, slots=True)
class Watch:
    """Nothing in it asks the database or waits.

    `note` takes provider, channel, kind and name of a key that was found right; `met` the kind and whether
    the key is retiring; `refused` the version of the API and the reason, both tokens of ours.
    """

    note: Callable[[str, Channel, KeyKind, str], None]
    met: Callable[[str, bool], None]
    refused: Callable[[str, str], None]

    def key(self, provider_id: str, kind: KeyKind, name: str, *, retiring: bool) -> None:
        """Count a notification whose signature this key made, or that it opened."""
        self.note(provider_id, "notification", kind, name)
        self.met(kind.value, retiring)
