"""WeChat's own keys: public keys (`PUB_KEY_ID_…`) and platform certificates, side by side.

During the move from the one kind to the other, and while certificates are rotated, messages signed with
either arrive; `Wechatpay-Serial` says which to verify with (wechatpay-v3 1.6; failure catalogue K03, K04).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

PUBLIC_KEY_PREFIX = "PUB_KEY_ID_"


@dataclass(frozen=True, slots=True, eq=False)
class PlatformKey:
    """One of WeChat's keys. `serial` is a `PUB_KEY_ID_…` or a certificate's serial in upper-case hex.

    It counts from `effective_at` up to `ends_at` (aware; None: without limit). One that `only_verifies` is on
    its way in or out: messages signed with it are believed, and nothing is encrypted for it.
    """

    serial: str
    public_key: RSAPublicKey = field(repr=False)
    effective_at: datetime | None = None
    ends_at: datetime | None = None
    only_verifies: bool = False

    @property
    def is_public_key(self) -> bool:
        return self.serial.startswith(PUBLIC_KEY_PREFIX)

    def counts_at(self, now: datetime) -> bool:
        begun = self.effective_at is None or self.effective_at <= now
        return begun and (self.ends_at is None or now < self.ends_at)


class PlatformKeys:
    """WeChat's keys of one provider, by serial; immutable."""

    __slots__ = ("_by_serial",)

    def __init__(self, keys: Iterable[PlatformKey] = ()) -> None:
        self._by_serial = {key.serial: key for key in keys}

    def __iter__(self) -> Iterator[PlatformKey]:
        return iter(self._by_serial.values())

    def __len__(self) -> int:
        return len(self._by_serial)

    def of(self, serial: str, now: datetime) -> PlatformKey | None:
        """Return the key that a message of this serial is verified with; None for one that does not count.

        A serial is compared exactly: WeChat writes certificates' in upper case (wechatpay-v3 1.3).
        """
        key = self._by_serial.get(serial)
        return key if key is not None and key.counts_at(now) else None

    def preferred(self, now: datetime) -> PlatformKey | None:
        """Return the key to encrypt with and to ask answers of: a public key, else the newest certificate.

        Of several public keys the last one given that has no end; None when there is no key at all.
        """
        counting = [key for key in self if key.counts_at(now) and not key.only_verifies]
        public = [key for key in counting if key.is_public_key]
        if public:
            return ([key for key in public if key.ends_at is None] or public)[-1]
        # One that is effective later was issued later; those without a date come first.
        dated = [key for key in counting if key.effective_at is not None]
        return max(dated, key=lambda key: key.effective_at or now, default=counting[-1] if counting else None)
