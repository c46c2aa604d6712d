"""Differences planted in trade bills: what a bill shows besides, instead of or in spite of the books.

Each is made up once, when it is planted, and kept; every later making of the bill shows the same. The books
and the fund bills stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from spsim import settings
from spsim.ledger import Ledger
from spsim.registry import Provider
from spsim.signing import random_text
from spsim.world import World

from . import rules, trade
from .day import Day
from .trade import NONE, REFUND, REVOKED, SUCCESS, TradeRow, fee_of, given_back

NEXT_DAY: Final = "next_day"
_NAME: Final = "bill_differences"
_DIGITS: Final = "0123456789"
_NOON_MS: Final = 12 * 3600 * 1000
_DEAR_FEE: Final = 5
"""Fen that a wrong fee is too high by."""
_AMOUNT: Final = 1280


class NothingToPlant(Exception):
    """The day has too few lines that could differ in this way; the text says which are needed."""


@dataclass(frozen=True, slots=True)
class Planted:
    """One difference: `target` is the line that it replaces (None: it stands beside the books' lines).

    `target` is a transaction id or a refund id, `lines` are what the bill shows in its place.
    """

    mch_id: str
    date: str
    kind: str
    target: str | None
    lines: tuple[TradeRow, ...]
    out_trade_no: str
    out_refund_no: str | None

    def described(self) -> dict[str, object]:
        """Return it as the controls show it: `shown` is what the bill says, if anything."""
        return {
            "mch_id": self.mch_id,
            "date": self.date,
            "kind": self.kind,
            "out_trade_no": self.out_trade_no,
            "out_refund_no": self.out_refund_no,
            "shown": [
                {
                    "state": line.state,
                    "sub_mch_id": line.sub_mch_id,
                    "transaction_id": line.transaction_id,
                    "total": line.total,
                    "refund": line.refund,
                    "refund_state": line.refund_state or None,
                    "fee": line.fee,
                }
                for line in self.lines
            ],
        }


def shown(world: World, provider: Provider, day: Day) -> list[TradeRow]:
    """Return the lines that a merchant number's bill of a day shows: the books' with what was planted."""
    known = [planted for planted in every(world.ledger) if planted.mch_id == provider.mch_id]
    today = [planted for planted in known if planted.date == day.date.isoformat()]
    before = day.moved(-1).date.isoformat()
    replaced = {planted.target: planted for planted in today if planted.target is not None}
    found: list[TradeRow] = []
    for row in trade.rows(world, provider, day):
        planted = replaced.get(name_of(row))
        if planted is None:
            found.append(row)
        elif planted.kind != NEXT_DAY:
            found += planted.lines
    added = [planted for planted in today if planted.target is None]
    late = [planted for planted in known if planted.date == before and planted.kind == NEXT_DAY]
    found += [line for planted in (*added, *late) for line in planted.lines]
    return sorted(found, key=lambda row: row.at)


def name_of(row: TradeRow) -> str:
    """Return by which number of WeChat's a line is known; a reversal has none of its own."""
    if row.state == REVOKED:
        return f"{row.transaction_id}/{REVOKED}"
    return row.refund_id if row.is_refund else row.transaction_id


def every(ledger: Ledger) -> list[Planted]:
    """Return what is planted, oldest first."""
    known = settings.read(ledger, _NAME, list[dict[str, Any]]())
    return [_planted(entry) for entry in known]


def clear(ledger: Ledger) -> None:
    """Take every difference back."""
    settings.keep(ledger, _NAME, [])


def plant(
    world: World,
    provider: Provider,
    day: Day,
    kind: str,
    *,
    out_trade_no: str | None = None,
    out_refund_no: str | None = None,
    count: int = 1,
) -> list[Planted]:
    """Plant differences of a kind in a day's bill; raises NothingToPlant, and plants nothing then.

    Lines that differ already are left alone. A number names the payment or refund that is to differ; without
    one the first lines of the day are taken, for `next_day` the last ones.
    """
    ground = _Ground(world, provider, day)
    if kind in _BESIDE:
        lines = [_BESIDE[kind](ground) for _ in range(count)]
        made = [ground.planted(kind, None, (line,), line) for line in lines]
    else:
        of_refunds, change = _INSTEAD[kind]
        wanted = out_refund_no if of_refunds else out_trade_no
        free = ground.free(refunds=of_refunds, number=wanted, latest=kind == NEXT_DAY)
        if len(free) < count:
            what = "refunds" if of_refunds else "payments"
            raise NothingToPlant(f"{kind} needs {count} {what} of that day, there are {len(free)}")
        made = [ground.planted(kind, name_of(row), tuple(change(row)), row) for row in free[:count]]
    entries = [asdict(planted) for planted in (*every(world.ledger), *made)]
    settings.keep(world.ledger, _NAME, entries)
    return made


class _Ground:
    """The lines of a day, and what can be grown among them."""

    def __init__(self, world: World, provider: Provider, day: Day) -> None:
        self._world = world
        self._provider = provider
        self._day = day
        self._rows = trade.rows(world, provider, day)
        self._rules = rules.of(world.ledger)

    def free(self, *, refunds: bool, number: str | None, latest: bool = False) -> list[TradeRow]:
        """Return the payments or refunds that no difference is about yet; of one number if given."""
        taken = {planted.target for planted in every(self._world.ledger)}
        found = [
            row
            for row in self._rows
            if row.state == (REFUND if refunds else SUCCESS)
            and name_of(row) not in taken
            and number in {None, row.out_refund_no if refunds else row.out_trade_no}
        ]
        return found[::-1] if latest else found

    def planted(self, kind: str, target: str | None, lines: tuple[TradeRow, ...], about: TradeRow) -> Planted:
        """Return the difference that replaces `target`, or stands beside, by these lines."""
        return Planted(
            mch_id=self._provider.mch_id,
            date=self._day.date.isoformat(),
            kind=kind,
            target=target,
            lines=lines,
            out_trade_no=about.out_trade_no,
            out_refund_no=None if about.out_refund_no == NONE else about.out_refund_no,
        )

    def payment(self, mch_id: str, sub_mch_id: str) -> TradeRow:
        """Make up a payment that is in no book."""
        rate = self._rules.rate_of(sub_mch_id if sub_mch_id != NONE else mch_id)
        written = f"{self._day.date:%Y%m%d}"
        return TradeRow(
            at=self._day.start + _NOON_MS,
            appid=self._provider.appid,
            mch_id=mch_id,
            sub_mch_id=sub_mch_id,
            device="",
            transaction_id=f"4200{random_text(6, _DIGITS)}{written}{random_text(10, _DIGITS)}",
            out_trade_no=f"X{written}{random_text(12, _DIGITS)}",
            openid=f"o{random_text(27)}",
            trade_type="JSAPI",
            state=SUCCESS,
            total=_AMOUNT,
            refund_id=NONE,
            out_refund_no=NONE,
            refund=0,
            refund_state="",
            refunded_at=None,
            failed_at=None,
            recharged=False,
            description="账外交易",
            attach="",
            fee=fee_of(_AMOUNT, rate),
            rate=rate,
        )

    def foreign_payment(self) -> TradeRow:
        """Make up a payment of nobody's order."""
        return self.payment(self._provider.mch_id, self._first_sub_merchant(self._provider.mch_id))

    def of_nobody(self) -> TradeRow:
        """Make up a payment of a sub-merchant that nobody has registered."""
        return self.payment(self._provider.mch_id, f"16999{random_text(5, _DIGITS)}")

    def of_another_provider(self) -> TradeRow:
        """Make up a payment of another provider's sub-merchant."""
        sql = "SELECT mch_id FROM provider WHERE mch_id <> ? ORDER BY kind = 'merchant', mch_id LIMIT 1"
        row = self._world.ledger.row(sql, self._provider.mch_id)
        if row is None:
            raise NothingToPlant("no other provider is registered")
        return self.payment(row["mch_id"], self._first_sub_merchant(row["mch_id"]))

    def foreign_refund(self) -> TradeRow:
        """Make up a refund that nobody asked for, of the first payment of the day."""
        paid = next((row for row in self._rows if row.state == SUCCESS), None)
        if paid is None:
            raise NothingToPlant("refund_missing_here needs a payment of that day")
        written = f"{self._day.date:%Y%m%d}"
        return given_back(
            paid,
            paid.at + 1000,
            REFUND,
            1,
            refund_id=f"5030{random_text(6, _DIGITS)}{written}{random_text(11, _DIGITS)}",
            out_refund_no=f"XR{written}{random_text(12, _DIGITS)}",
            refund_state="SUCCESS",
            refunded_at=paid.at + 1000,
        )

    def _first_sub_merchant(self, mch_id: str) -> str:
        sql = "SELECT sub_mch_id FROM sub_merchant WHERE mch_id = ? ORDER BY sub_mch_id LIMIT 1"
        row = self._world.ledger.row(sql, mch_id)
        return NONE if row is None else str(row["sub_mch_id"])


def _other_amount(row: TradeRow) -> list[TradeRow]:
    return [replace(row, total=row.total + 1, fee=fee_of(row.total + 1, row.rate))]


def _other_refund_amount(row: TradeRow) -> list[TradeRow]:
    return [replace(row, refund=row.refund + 1, fee=-fee_of(row.refund + 1, row.rate))]


def _other_refund_state(row: TradeRow) -> list[TradeRow]:
    ended = row.refund_state in {"FAIL", "CHANGE"}
    return [replace(row, refund_state="SUCCESS" if ended else "FAIL", refunded_at=None)]


_BESIDE: Final[dict[str, Callable[[_Ground], TradeRow]]] = {
    "missing_here": _Ground.foreign_payment,
    "refund_missing_here": _Ground.foreign_refund,
    "unknown_sub_merchant": _Ground.of_nobody,
    "other_provider": _Ground.of_another_provider,
}
"""What stands in the bill and in no book."""
_INSTEAD: Final[dict[str, tuple[bool, Callable[[TradeRow], Iterable[TradeRow]]]]] = {
    "missing_there": (False, lambda _row: []),
    "amount": (False, _other_amount),
    "state": (False, lambda row: [given_back(row, row.at, REVOKED, row.total)]),
    "fee": (False, lambda row: [replace(row, fee=row.fee + _DEAR_FEE)]),
    "repeated_line": (False, lambda row: [row, row]),
    NEXT_DAY: (False, lambda row: [row]),
    "refund_missing_there": (True, lambda _row: []),
    "refund_amount": (True, _other_refund_amount),
    "refund_state": (True, _other_refund_state),
}
"""Whether a kind is about refunds, and what the bill says instead of the books' line."""
KINDS: Final[Sequence[str]] = (*_BESIDE, *_INSTEAD)


def _planted(entry: dict[str, Any]) -> Planted:
    return Planted(**{**entry, "lines": tuple(TradeRow(**line) for line in entry["lines"])})
