"""What a keyring hands out: the keys of one provider that still count for something, immutable."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from spcore.providers.errors import PlatformKeyMissing, ProviderNotReady
from wechatpay.credentials import ApiV3Key, V2Key, V3Key
from wechatpay.v3.platform_keys import PlatformKeys


@dataclass(frozen=True, slots=True)
class V2Keys:
    """The API v2 keys of one provider that still count for something."""

    signing: V2Key
    others: tuple[tuple[V2Key, datetime], ...]
    """A candidate and replaced keys, newest first, each with the moment until which it verifies."""

    def verifying(self, now: datetime) -> tuple[V2Key, ...]:
        """Return the keys a notification may be signed with at `now`, the active one first (K01, N05)."""
        return (self.signing, *(key for key, until in self.others if now < until))

    def version(self, number: int) -> V2Key | None:
        """Return the key of this version, None when it no longer counts."""
        for key in (self.signing, *(key for key, _until in self.others)):
            if key.version == number:
                return key
        return None


@dataclass(frozen=True, slots=True)
class V3Keys:
    """Everything API v3 needs of one provider, parsed. A part that is missing or has ended is an error only
    where it is needed: an expired certificate must not keep notifications out (failure catalogue K05)."""

    own: V3Key | None
    """The active API certificate with WeChat's keys; it ends at `own_ends_at`."""
    own_ends_at: datetime | None
    opening_keys: tuple[tuple[ApiV3Key, datetime | None], ...]
    """API v3 keys, the active one first; a candidate and replaced ones with the moment until which they open
    (K02)."""
    platform: PlatformKeys
    unreadable: ProviderNotReady | None = None
    """Why `own` is missing although there is an API certificate (K08)."""

    def signing(self, now: datetime) -> V3Key:
        """Return what calls are signed with. Raises ProviderNotReady without a certificate that counts, and
        without any of WeChat's keys, by which no answer could be believed."""
        own = self.introducing(now)
        if not len(self.platform):
            raise PlatformKeyMissing()
        return own

    def introducing(self, now: datetime) -> V3Key:
        """Return the same for the first call of all, by which WeChat's keys are fetched: there may be none
        yet (wechatpay-v3 1.6). Raises ProviderNotReady without a certificate that counts."""
        if self.own is None or self.own_ends_at is None:
            raise self.unreadable or ProviderNotReady.without_certificate()
        if self.own_ends_at <= now:
            raise ProviderNotReady.expired_certificate()
        return self.own

    def opening(self, now: datetime) -> tuple[ApiV3Key, ...]:
        """Return the API v3 keys that a notification may be encrypted with at `now`, the active one first.

        Raises ProviderNotReady when there is none.
        """
        if keys := self.still_opening(now):
            return keys
        raise ProviderNotReady.without_v3_key()

    def still_opening(self, now: datetime) -> tuple[ApiV3Key, ...]:
        """Return the same where having none is no fault."""
        return tuple(key for key, until in self.opening_keys if until is None or now < until)
