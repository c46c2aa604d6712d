"""Controls of bills; `GET /_sim/` lists them with the others.

GET /_sim/bills
    The rules, and the `differences` that are planted.
POST /_sim/bills
    Any of `open_days` (true: every day is served at once, the running one too; false at first), `ready_at`
    (10:00, Beijing: a bill of yesterday is still being made before), `not_ready` (so many more questions are
    told so); how the text is laid out: `bom`, `old_names` (the older layout of service providers),
    `extra_column` (one that nobody knows), `split_parts` (files of a sub-merchant's fund bill; 1), `hash_of`
    (`text`, `file`: what its hashes are of); `sub_merchant_funds` (false: no permission for it); `rates`
    (fee rates like `0.38%` by sub-merchant, or by the number of a plain merchant; null for 0.60% again);
    `damage` (null, `wrong_hash` by v3, `wrong_summary`, `truncated`, `corrupt_gzip`, `html`) of
    `damage_times` files (null: until it is taken back). Fees are rounded half up to a fen and given back
    with refunds. The path for faults is that of the call; downloads of v3 have their own.
POST /_sim/bills/differences
    Plant a difference in the trade bill of `mch_id` of a `date` (`2026-11-21`): `kind`, `count` (1), and
    `out_trade_no` or `out_refund_no` for the one that is to differ. `missing_here` (a payment nobody made),
    `missing_there` (its line is left out), `amount` (a fen more), `state` (a reversal in its place), `fee`
    (five fen more), `repeated_line`, `next_day` (the day's last payments stand in the bill of the next day),
    `refund_missing_here`, `refund_missing_there`, `refund_amount`, `refund_state` (FAIL, or SUCCESS for one
    that failed), `unknown_sub_merchant`, `other_provider`. Answers what was `planted`, with what the bill
    says. Books, queries and fund bills stay as they are.
DELETE /_sim/bills/differences
    Take them all back.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Final

from spsim.control_input import (
    ControlRefused,
    Document,
    bad_request,
    choice,
    count,
    flag,
    needed_text,
    only,
    text,
)
from spsim.registry import Provider, find_provider
from spsim.world import World

from . import day as days
from . import planting, rules
from .day import Day, NoBill
from .planting import NothingToPlant
from .trade import RATE

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_FLAGS: Final = ("open_days", "bom", "old_names", "extra_column", "sub_merchant_funds")
_MOST_PARTS: Final = 100
_MOST_PLANTS: Final = 10_000
_MOST_QUESTIONS: Final = 10_000


class BillControls:
    """The controls as plain functions from JSON to JSON. All raise ControlRefused."""

    def __init__(self, world: World) -> None:
        self._world = world

    def describe(self) -> Document:
        """Return the rules and what is planted."""
        planted = [each.described() for each in planting.every(self._world.ledger)]
        return asdict(rules.of(self._world.ledger)) | {"differences": planted}

    def change(self, document: Document) -> Document:
        """Change rules; nothing is changed unless all of it is right."""
        known = rules.of(self._world.ledger)
        names = [name for name in asdict(known) if name in document]
        if not names:
            raise bad_request(f"give any of {', '.join(asdict(known))}")
        only(document, *asdict(known))
        damage = _damage(document, known.damage)
        wanted = replace(
            known,
            **{name: flag(document, name, default=getattr(known, name)) for name in _FLAGS},
            ready_at=_ready_at(document, known.ready_at),
            not_ready=_whole(document, "not_ready", known.not_ready, 0, _MOST_QUESTIONS),
            split_parts=_whole(document, "split_parts", known.split_parts, 1, _MOST_PARTS),
            hash_of=choice(document, "hash_of", rules.HASHES, known.hash_of),
            damage=damage,
            damage_times=_damage_times(document, damage, known),
            rates=_rates(document, known.rates),
        )
        rules.keep(self._world.ledger, wanted)
        return self.describe()

    def plant(self, document: Document) -> Document:
        """Plant differences of one kind."""
        only(document, "mch_id", "date", "kind", "count", "out_trade_no", "out_refund_no")
        provider = self._provider(needed_text(document, "mch_id"))
        day = _day(needed_text(document, "date"))
        kind = choice(document, "kind", tuple(planting.KINDS), "")
        try:
            made = planting.plant(
                self._world,
                provider,
                day,
                kind,
                out_trade_no=text(document, "out_trade_no"),
                out_refund_no=text(document, "out_refund_no"),
                count=_whole(document, "count", 1, 1, _MOST_PLANTS),
            )
        except NothingToPlant as reason:
            raise ControlRefused(409, "NOTHING_TO_PLANT", "没有可以改动的账目", str(reason)) from None
        return {"planted": [each.described() for each in made]}

    def clear(self) -> None:
        """Take all differences back."""
        planting.clear(self._world.ledger)

    def _provider(self, mch_id: str) -> Provider:
        provider = find_provider(self._world.ledger, mch_id)
        if provider is None:
            raise ControlRefused(404, "NO_SUCH_MERCHANT", "商户不存在", "register it by POST /_sim/providers")
        return provider


def _day(written: str) -> Day:
    try:
        return days.read(written, "%Y-%m-%d")
    except NoBill:
        raise bad_request("date must be a day like 2026-11-21") from None


def _ready_at(document: Document, default: str) -> str:
    value = text(document, "ready_at") or default
    if not _CLOCK.fullmatch(value):
        raise bad_request("ready_at must be a time like 10:00")
    return value


def _whole(document: Document, name: str, default: int, least: int, most: int) -> int:
    value = count(document, name, default)
    if value is None or not least <= value <= most:
        raise bad_request(f"{name} must be a whole number from {least} to {most}")
    return value


def _damage(document: Document, default: str | None) -> str | None:
    if "damage" not in document:
        return default
    return None if document["damage"] is None else choice(document, "damage", rules.DAMAGES, "")


def _damage_times(document: Document, damage: str | None, known: rules.BillRules) -> int | None:
    """Return with how many files; a new damage lasts until it is taken back unless a number is given."""
    default = known.damage_times if damage is not None and damage == known.damage else None
    times = count(document, "damage_times", default)
    if times is not None and (times == 0 or damage is None):
        raise bad_request("damage_times is at least 1, of a damage; null until it is taken back")
    return times


def _rates(document: Document, known: dict[str, str]) -> dict[str, str]:
    given = document.get("rates", {})
    if not isinstance(given, dict):
        raise bad_request("rates must be an object")
    for number, rate in given.items():
        if rate is not None and not (isinstance(rate, str) and RATE.fullmatch(rate)):
            raise bad_request(f"the rate of {number} must be written like 0.38%, or null")
    return {number: rate for number, rate in {**known, **given}.items() if rate is not None}
