"""The proof of a daily statement: the terms by which our sums become the bill's, to the fen. Pure.

Both sides are summed on their own, ours from orders and refunds, theirs from the bill's lines. What lies
between them is taken from what was written down alone: differences, and what stands in another day's bill.
So the sums meet only if comparing has found everything, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any

import msgspec


@dataclass(slots=True)
class Term:
    """A count and fen. Both may be below zero where a term is a difference of two."""

    count: int = 0
    amount: int = 0

    def add(self, count: int, amount: int) -> None:
        self.count += count
        self.amount += amount

    @property
    def plain(self) -> dict[str, int]:
        return {"count": self.count, "amount": self.amount}


@dataclass(slots=True)
class Terms:
    """From ours to theirs: `ours + missing_here - missing_there + differing + shifted_in - shifted_out
    - suspended == theirs`.

    `missing_here` is in the bill and not in our books, `missing_there` the reverse, `differing` what the
    bill has more where both have it. `shifted_in` is in this bill and in our books on another day,
    `shifted_out` the reverse; `suspended` waits for another day's bill.
    """

    ours: Term = field(default_factory=Term)
    missing_here: Term = field(default_factory=Term)
    missing_there: Term = field(default_factory=Term)
    differing: Term = field(default_factory=Term)
    shifted_in: Term = field(default_factory=Term)
    shifted_out: Term = field(default_factory=Term)
    suspended: Term = field(default_factory=Term)
    theirs: Term = field(default_factory=Term)

    @property
    def gap(self) -> Term:
        """What is left unexplained; nothing, when the terms prove the sums."""
        left = Term(-self.theirs.count, -self.theirs.amount)
        for term in (self.ours, self.missing_here, self.differing, self.shifted_in):
            left.add(term.count, term.amount)
        for term in (self.missing_there, self.shifted_out, self.suspended):
            left.add(-term.count, -term.amount)
        return left

    @property
    def is_proven(self) -> bool:
        return self.gap == Term()

    @property
    def plain(self) -> dict[str, dict[str, int]]:
        return {term.name: getattr(self, term.name).plain for term in fields(self)}


@dataclass(slots=True)
class Sides:
    """A tenant's day: payments and refunds, and what else the bill sums up.

    `settled` is fen, `fee` thousandths of one. `found`, `open` and `unasked` count differences: all, those
    that are open, and those about which WeChat is still to be asked for the first time; `withheld` are open
    ones that concern another tenant's number as well and are shown to the provider alone.
    """

    payments: Terms = field(default_factory=Terms)
    refunds: Terms = field(default_factory=Terms)
    settled: int = 0
    fee: int = 0
    found: int = 0
    open: int = 0
    unasked: int = 0
    withheld: int = 0
    waiting: Term = field(default_factory=Term)

    @property
    def is_proven(self) -> bool:
        return self.payments.is_proven and self.refunds.is_proven

    def proof(self, edition: int) -> dict[str, Any]:
        """Return the proof as it is stored: the terms of both kinds, and what they leave unexplained."""
        proof: dict[str, Any] = {
            "payments": self.payments.plain,
            "refunds": self.refunds.plain,
            "edition": edition,
        }
        if self.withheld:
            proof["withheld"] = self.withheld
        if not self.is_proven:
            proof["unproven"] = {"payments": self.payments.gap.plain, "refunds": self.refunds.gap.plain}
        return proof


def digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a statement's content, in hex: canonical JSON, names in order, no spaces."""
    return sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
