"""Addresses of files that v3 hands out: for who applied, for five minutes (wechatpay-v3 5.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from spsim.signing import random_text

LIFE_MS: Final = 5 * 60 * 1000


@dataclass(frozen=True, slots=True)
class Ticket:
    """A file, who may fetch it and until when (milliseconds on the simulator's clock)."""

    mch_id: str
    content: bytes = field(repr=False)
    zipped: bool
    until: int


class Tickets:
    """The files that can be fetched at present; they are forgotten when their time is over."""

    def __init__(self) -> None:
        self._known: dict[str, Ticket] = {}

    def issue(self, mch_id: str, content: bytes, *, zipped: bool, now_ms: int) -> str:
        """Keep a file for a while; return its token."""
        for token, ticket in list(self._known.items()):
            if ticket.until <= now_ms:
                del self._known[token]
        token = random_text(64)
        self._known[token] = Ticket(mch_id, content, zipped, now_ms + LIFE_MS)
        return token

    def find(self, token: str, now_ms: int) -> Ticket | None:
        """Return the file of a token; None when there is no such token, or none any more."""
        ticket = self._known.get(token)
        return None if ticket is None or ticket.until <= now_ms else ticket
