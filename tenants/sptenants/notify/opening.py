"""Opening messages of API v3: whose they are by the keys we hold, and what is inside (wechatpay-v3 1.4, 1.5).

A serial number that nobody here knows may be a certificate that WeChat has begun to use: then its list is
fetched, once a minute at most, and no transaction is open meanwhile. A forged one costs a look at a map.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from spcore.clock import Clock
from spcore.providers.held import V3Keys
from spcore.providers.keyring import Keyring
from spcore.providers.models import KeyKind
from spcore.providers.profile import ProviderProfile
from sptenants.notify.journal import Incoming, Kept
from sptenants.notify.watch import Watch
from sptenants.orders.line import CertificateSource
from wechatpay.errors import NotificationRejected
from wechatpay.payments import VerifiedPayment
from wechatpay.refunds import VerifiedRefund
from wechatpay.v3 import notify as v3
from wechatpay.v3.notify import Envelope
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys

_CERTIFICATE_SERIAL = re.compile(r"[0-9A-F]{16,40}")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message whose signature is right, still closed.

    Opening it raises NotificationRejected (undecryptable, or not what belongs inside) and ProviderNotReady
    without an API v3 key.
    """

    envelope: Envelope
    keys: V3Keys
    at: datetime
    met: Callable[[int], None] = field(repr=False)

    def payment(self) -> VerifiedPayment:
        found = v3.open_payment(self.envelope, self.keys.opening(self.at))
        self.met(found.key_version)
        return found

    def refund(self) -> VerifiedRefund:
        found = v3.open_refund(self.envelope, self.keys.opening(self.at))
        self.met(found.key_version)
        return found

    def echo(self) -> str:
        return v3.open_echo(self.envelope, self.keys.opening(self.at))


class Opener:
    """Verifies messages of API v3 with the keys of the provider whose address they came to, and no others."""

    def __init__(self, keyring: Keyring, clock: Clock, certificates: CertificateSource, watch: Watch) -> None:
        self._keyring = keyring
        self._clock = clock
        self._certificates = certificates
        self.watch = watch

    async def read(self, provider: ProviderProfile, incoming: Incoming) -> Letter:
        """Verify a message over its raw bytes. No transaction may be open (rule T3).

        Raises NotificationRejected, and ProviderNotReady when a key does not open.
        """
        keys, now = await self._keyring.v3(provider.id, provider.key_epoch), self._clock.now()
        try:
            envelope = v3.read(incoming.headers, incoming.body, keys.platform, now)
        except NotificationRejected as rejected:
            if not _may_be_new(rejected):
                raise
            epoch = await self._certificates.learn(provider)
            if epoch is None:
                raise
            keys, now = await self._keyring.v3(provider.id, epoch), self._clock.now()
            envelope = v3.read(incoming.headers, incoming.body, keys.platform, now)
        self._met_signature(provider.id, keys.platform.of(envelope.serial, now))

        def met(version: int) -> None:
            retiring = any(key.version == version and until is not None for key, until in keys.opening_keys)
            self.watch.key(provider.id, KeyKind.API_V3, str(version), retiring=retiring)

        return Letter(envelope, keys, now, met)

    async def again(self, provider: ProviderProfile, kept: Kept) -> Letter:
        """Verify a stored message with the keys that count today; its age is that of when it came.

        Raises NotificationRejected and ProviderNotReady. Nothing is fetched or counted for it.
        """
        keys, now = await self._keyring.v3(provider.id, provider.key_epoch), self._clock.now()
        counting = (key for key in keys.platform if key.counts_at(now))
        today = PlatformKeys(replace(key, effective_at=None, ends_at=None) for key in counting)
        envelope = v3.read(kept.headers, kept.body, today, kept.received_at)
        return Letter(envelope, keys, now, lambda _version: None)

    def _met_signature(self, provider_id: str, key: PlatformKey | None) -> None:
        if key is None:
            return
        kind = KeyKind.WECHATPAY_PUBLIC_KEY if key.is_public_key else KeyKind.PLATFORM_CERTIFICATE
        # A certificate always has an end; a public key has one only once it is replaced.
        retiring = key.is_public_key and key.ends_at is not None
        self.watch.key(provider_id, kind, key.serial, retiring=retiring)


def _may_be_new(rejected: NotificationRejected) -> bool:
    """Whether the message names a certificate that WeChat may have begun to use (failure catalogue K03)."""
    serial = rejected.serial or ""
    return rejected.reason == "unknown_serial" and _CERTIFICATE_SERIAL.fullmatch(serial) is not None
