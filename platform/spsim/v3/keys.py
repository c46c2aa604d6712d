"""WeChat's own keys for one provider: platform certificates and public keys, and which of them signs what.

An answer follows the caller's `Wechatpay-Serial`, a notification the share of the change-over (wechatpay-v3
1.6); between two platform certificates a share decides for both.
"""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import dataclass, field
from typing import Final

from spsim.certificates import Authority, new_public_key, serial_of, validity_of
from spsim.ledger import Ledger
from spsim.registry import Provider
from spsim.signing import random_text
from spsim.world import World

from . import rules

PUBLIC_KEY: Final = "public_key"
CERTIFICATE: Final = "certificate"
BOTH: Final = "both"
MODES: Final = (PUBLIC_KEY, CERTIFICATE, BOTH)
CERTIFICATE_LIFE_S: Final = 5 * 365 * 24 * 3600
_ALWAYS: Final = 0


@dataclass(frozen=True, slots=True)
class WechatKey:
    """A key by its serial; times in milliseconds, `expires_at` None for a public key."""

    id: int
    mch_id: str
    serial: str
    kind: str
    public_pem: str
    private_pem: str = field(repr=False)
    effective_at: int
    expires_at: int | None
    retired: int

    def alive(self, now_ms: int) -> bool:
        """Tell whether it may sign at that time."""
        in_time = self.effective_at <= now_ms and (self.expires_at is None or now_ms < self.expires_at)
        return in_time and not self.retired


def _key(row: sqlite3.Row) -> WechatKey:
    return WechatKey(**dict(row))


def every(ledger: Ledger, mch_id: str, kind: str) -> list[WechatKey]:
    """Return a provider's keys of one kind that are not retired, the oldest first."""
    sql = "SELECT * FROM wechat_key WHERE mch_id = ? AND kind = ? AND retired = 0 ORDER BY effective_at, id"
    return [_key(row) for row in ledger.rows(sql, mch_id, kind)]


def by_serial(ledger: Ledger, mch_id: str, serial: str) -> WechatKey | None:
    """Return a provider's key by its serial, unless it is retired."""
    sql = "SELECT * FROM wechat_key WHERE mch_id = ? AND serial = ? AND retired = 0"
    row = ledger.row(sql, mch_id, serial)
    return None if row is None else _key(row)


def published(world: World, provider: Provider) -> list[WechatKey]:
    """Return the certificates of `GET /v3/certificates`: all that are or will be valid, perhaps none."""
    if provider.verification == PUBLIC_KEY:
        return []
    now = world.clock.now_ms()
    known = every(world.ledger, provider.mch_id, CERTIFICATE)
    return [key for key in known if key.expires_at is not None and now < key.expires_at]


def for_answer(world: World, provider: Provider, named: str | None) -> WechatKey:
    """Return the key that signs an answer to a request whose `Wechatpay-Serial` is `named`."""
    if provider.verification == CERTIFICATE:
        return _certificate(world, provider)
    wanted = None if named is None else by_serial(world.ledger, provider.mch_id, named)
    if wanted is not None and wanted.kind == PUBLIC_KEY:
        return wanted
    return (
        _public_key(world, provider) if provider.verification == PUBLIC_KEY else _certificate(world, provider)
    )


def for_notification(world: World, provider: Provider) -> WechatKey:
    """Return the key that signs the next notification."""
    share = rules.of(world.ledger, provider.mch_id).public_key_share
    by_public_key = provider.verification == PUBLIC_KEY or (provider.verification == BOTH and _drawn(share))
    return _public_key(world, provider) if by_public_key else _certificate(world, provider)


def now_ms(world: World, mch_id: str) -> int:
    """Return the time at this provider's gateway, by which it makes and checks timestamps of signatures."""
    return world.clock.host_ms() + int(rules.of(world.ledger, mch_id).clock_offset_s * 1000)


def _public_key(world: World, provider: Provider) -> WechatKey:
    known = every(world.ledger, provider.mch_id, PUBLIC_KEY)
    if not known:
        raise LookupError(f"provider {provider.mch_id} has no public key of WeChat")
    return known[-1]


def _certificate(world: World, provider: Provider) -> WechatKey:
    """Return the newest certificate for its share, the one before it for the rest."""
    now = world.clock.now_ms()
    alive = [key for key in every(world.ledger, provider.mch_id, CERTIFICATE) if key.alive(now)]
    if not alive:
        raise LookupError(f"provider {provider.mch_id} has no platform certificate that is valid")
    share = rules.of(world.ledger, provider.mch_id).new_certificate_share
    return alive[-1] if len(alive) == 1 or _drawn(share) else alive[-2]


def _drawn(percent: float) -> bool:
    """Draw lots: True in `percent` of 100 cases."""
    return secrets.randbelow(100_000) < percent * 1000


def issue_public_key(ledger: Ledger, mch_id: str, effective_at: int = _ALWAYS) -> str:
    """Make a public key of WeChat for a provider; return its id."""
    pair = new_public_key()
    serial = f"PUB_KEY_ID_0{mch_id}{random_text(16, '0123456789')}"
    _insert(ledger, mch_id, (serial, PUBLIC_KEY, pair.public_pem, pair.private_pem, effective_at, None))
    return serial


def issue_certificate(
    ledger: Ledger,
    authority: Authority,
    mch_id: str,
    effective_at: int | None = None,
    life_s: float = CERTIFICATE_LIFE_S,
) -> str:
    """Issue a platform certificate, valid since yesterday or from `effective_at` on; return its serial."""
    pair = authority.issue_platform_certificate(mch_id, effective_at, life_s)
    start, end = validity_of(pair.public_pem)
    serial = serial_of(pair.public_pem)
    _insert(ledger, mch_id, (serial, CERTIFICATE, pair.public_pem, pair.private_pem, start, end))
    return serial


def retire(ledger: Ledger, mch_id: str, kind: str, serial: str | None = None) -> int:
    """Take keys out of use for good, all of a kind or one; return how many."""
    sql = "UPDATE wechat_key SET retired = 1 WHERE mch_id = ? AND kind = ? AND retired = 0"
    if serial is None:
        return ledger.run(sql, mch_id, kind)
    return ledger.run(f"{sql} AND serial = ?", mch_id, kind, serial)


def _insert(ledger: Ledger, mch_id: str, key: tuple[str, str, str, str, int, int | None]) -> None:
    ledger.run(
        "INSERT INTO wechat_key (mch_id, serial, kind, public_pem, private_pem, effective_at, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        mch_id,
        *key,
    )
