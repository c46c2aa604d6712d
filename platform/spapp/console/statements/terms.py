"""The terms by which our sums become the bill's, as the proof of a statement has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spapp.web.i18n import N_
from sptenants.reconciliation.records import StatementRecord

_WORDS: tuple[tuple[str, int, str], ...] = (
    ("ours", 1, N_("我方")),
    ("missing_here", 1, N_("加：微信有我方无")),
    ("missing_there", -1, N_("减：我方有微信无")),
    ("differing", 1, N_("加：两边都有但不同")),
    ("shifted_in", 1, N_("加：我方记在其他日期")),
    ("shifted_out", -1, N_("减：账单记在其他日期")),
    ("suspended", -1, N_("减：等待中")),
    ("theirs", 1, N_("微信账单")),
)
"""The terms of `proving.Terms` by name, in the order in which they add up, each with its sign."""
_SUMS = frozenset({"ours", "theirs"})


@dataclass(frozen=True, slots=True)
class Amount:
    """How many, and how many fen; below zero for what is taken off."""

    count: int
    fen: int

    @classmethod
    def of(cls, found: Mapping[str, Any], name: str, sign: int = 1) -> Amount:
        """Read one term out of the proof of payments or refunds."""
        term = found.get(name) or {"count": 0, "amount": 0}
        return cls(sign * term["count"], sign * term["amount"])


@dataclass(frozen=True, slots=True)
class Term:
    """One line of the proof, of payments and of refunds."""

    word: str
    payments: Amount
    refunds: Amount
    is_sum: bool

    @property
    def moves(self) -> bool:
        """Whether it changes anything: a term of nothing is left out."""
        return any((self.payments.count, self.payments.fen, self.refunds.count, self.refunds.fen))


@dataclass(frozen=True, slots=True)
class Proof:
    """How our sums become the bill's. `rest` is what the terms leave unexplained, None when they add up;
    `withheld` counts differences that concern another tenant's number too and that no tenant sees."""

    terms: tuple[Term, ...]
    rest: Term | None
    withheld: int


def proof_of(statement: StatementRecord) -> Proof:
    """Return the proof of a statement, its terms in the order in which they add up."""
    proof = statement.proof
    payments, refunds = proof["payments"], proof["refunds"]
    terms = (
        Term(word, Amount.of(payments, name, sign), Amount.of(refunds, name, sign), name in _SUMS)
        for name, sign, word in _WORDS
    )
    rest = proof.get("unproven")
    return Proof(
        terms=tuple(term for term in terms if term.is_sum or term.moves),
        rest=rest
        and Term(N_("没有算平"), Amount.of(rest, "payments"), Amount.of(rest, "refunds"), is_sum=True),
        withheld=proof.get("withheld", 0),
    )
