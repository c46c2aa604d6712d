"""What a tester may change about API v3 of one provider (`POST /_sim/v3/keys`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from spsim import settings
from spsim.ledger import Ledger


@dataclass(frozen=True, slots=True)
class ProviderRules:
    """Switches of one provider.

    Shares are percent. `public_key_share`: notifications that the public key signs while verification is
    `both`. `new_certificate_share`: answers and notifications that the newest effective certificate signs
    while an older one is alive too (catalogue K03). `clock_offset_s` moves this provider's gateway clock
    against ours. `cross_version`: orders of one API may be queried and refunded by the other (-v3 9).
    `refuse_repeated_nonce`: a request is taken once. `keep_old_key_retries`, `keep_old_v3_key_retries`: what
    was queued before a key change keeps the old key (K01, K02).
    """

    public_key_share: float = 0
    new_certificate_share: float = 100
    clock_offset_s: float = 0
    cross_version: bool = True
    refuse_repeated_nonce: bool = False
    keep_old_key_retries: bool = True
    keep_old_v3_key_retries: bool = False


def of(ledger: Ledger, mch_id: str) -> ProviderRules:
    """Return the rules of a provider."""
    return ProviderRules(**settings.read(ledger, _name(mch_id), asdict(ProviderRules())))


def keep(ledger: Ledger, mch_id: str, rules: ProviderRules) -> None:
    """Change the rules of a provider."""
    settings.keep(ledger, _name(mch_id), asdict(rules))


def may_cross(ledger: Ledger, mch_id: str, made_by: str, asked_by: str) -> bool:
    """Tell whether an order of one API may be touched by the other."""
    return made_by == asked_by or of(ledger, mch_id).cross_version


def _name(mch_id: str) -> str:
    return f"v3/{mch_id}"
