"""What a tester may change about bills (`POST /_sim/bills`), kept in the ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Final

from spsim import settings
from spsim.ledger import Ledger

DEFAULT_RATE: Final = "0.60%"
WRONG_HASH: Final = "wrong_hash"
WRONG_SUMMARY: Final = "wrong_summary"
TRUNCATED: Final = "truncated"
CORRUPT_GZIP: Final = "corrupt_gzip"
HTML: Final = "html"
DAMAGES: Final = (WRONG_HASH, WRONG_SUMMARY, TRUNCATED, CORRUPT_GZIP, HTML)
HASHES: Final = ("text", "file")
_NAME: Final = "bills"


@dataclass(frozen=True, slots=True)
class BillRules:
    """Switches of all bills.

    `open_days`: every day is served at once, the running one too. `ready_at`: Beijing time of the next day
    before which a bill is still being made. `not_ready`: so many more questions are told that it is.
    `bom`, `old_names`, `extra_column`: how the text is laid out. `split_parts`: files of an encrypted bill;
    `hash_of` (`text`, `file`): what its hashes are of. `sub_merchant_funds`: the product permission for it.
    `damage`: what is wrong with a file, `damage_times` with how many (None: until it is taken back).
    `rates`: fee rates by sub-merchant, or by the number of a plain merchant.
    """

    open_days: bool = False
    ready_at: str = "10:00"
    not_ready: int = 0
    bom: bool = False
    old_names: bool = False
    extra_column: bool = False
    split_parts: int = 1
    hash_of: str = "text"
    sub_merchant_funds: bool = True
    damage: str | None = None
    damage_times: int | None = None
    rates: dict[str, str] = field(default_factory=dict)

    def rate_of(self, number: str) -> str:
        """Return the fee rate of a sub-merchant or plain merchant, like `0.60%`."""
        return self.rates.get(number, DEFAULT_RATE)


def of(ledger: Ledger) -> BillRules:
    """Return the rules that hold."""
    return BillRules(**settings.read(ledger, _NAME, asdict(BillRules())))


def keep(ledger: Ledger, rules: BillRules) -> None:
    """Change the rules."""
    settings.keep(ledger, _NAME, asdict(rules))


def put_off(ledger: Ledger) -> bool:
    """Tell whether this question is one of those that come too early, and count it."""
    known = of(ledger)
    if known.not_ready == 0:
        return False
    keep(ledger, replace(known, not_ready=known.not_ready - 1))
    return True


def damage(ledger: Ledger, *kinds: str) -> str | None:
    """Return what is wrong with this file, one of these kinds, and count it; None when nothing is."""
    known = of(ledger)
    if known.damage not in kinds:
        return None
    if known.damage_times is not None:
        left = known.damage_times - 1
        used_up = left == 0
        keep(
            ledger,
            replace(known, damage=None if used_up else known.damage, damage_times=None if used_up else left),
        )
    return known.damage
