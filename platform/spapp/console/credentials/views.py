"""A provider's keys as templates show them: versions, dates and marks, never a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from spcore.providers.models import KeyKind
from spcore.providers.rotation import KeyVersion

KIND_WORDS = {
    KeyKind.API_V2: N_("API v2 密钥"),
    KeyKind.CLIENT_CERTIFICATE: N_("API 证书"),
    KeyKind.API_V3: N_("API v3 密钥"),
    KeyKind.WECHATPAY_PUBLIC_KEY: N_("微信支付公钥"),
}
_STATES = {
    "active": Chip("ok", N_("使用中")),
    "retiring": Chip("wait", N_("仅验签")),
    "retired": Chip("mute", N_("已停用")),
}
SOON_DAYS, URGENT_DAYS = 30, 7


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a certificate is still valid: below 30 days amber, below 7 red (console-and-api-design 2)."""

    not_after: datetime
    now: datetime

    @property
    def days(self) -> int:
        """Whole days that are left; negative once it has expired."""
        return (self.not_after - self.now).days

    @property
    def has_passed(self) -> bool:
        return self.not_after <= self.now

    @property
    def chip(self) -> Chip:
        if self.has_passed or self.days < URGENT_DAYS:
            return Chip("bad", self._word)
        return Chip("wait" if self.days < SOON_DAYS else "ok", self._word)

    @property
    def text(self) -> Text:
        if self.has_passed:
            return Text("已过期", "expired")
        return Text(f"剩余 {self.days} 天", f"{self.days} days left")

    @property
    def _word(self) -> str:
        if self.has_passed:
            return N_("已过期")
        if self.days < URGENT_DAYS:
            return N_("即将过期")
        return N_("快到期") if self.days < SOON_DAYS else N_("有效")


@dataclass(frozen=True, slots=True)
class VersionLine:
    row: KeyVersion
    now: datetime

    @property
    def chip(self) -> Chip:
        return _STATES[self.row.state_at(self.now)]

    @property
    def expiry(self) -> Expiry | None:
        return Expiry(self.row.not_after, self.now) if self.row.not_after else None

    @property
    def verifies_until(self) -> datetime | None:
        return self.row.verify_until if self.row.state_at(self.now) == "retiring" else None


@dataclass(frozen=True, slots=True)
class KindView:
    """All versions of one kind of key."""

    kind: KeyKind
    lines: tuple[VersionLine, ...]
    change_url: str | None
    """Where to replace it; None where the person may not, or where keys come by import only."""

    @property
    def word(self) -> str:
        return KIND_WORDS[self.kind]

    @property
    def current(self) -> VersionLine | None:
        return next((line for line in self.lines if line.row.state == "active"), None)


def kind_views(
    versions: Sequence[KeyVersion], now: datetime, change_urls: dict[KeyKind, str]
) -> tuple[KindView, ...]:
    """Return what a provider needs for API v2, and of other kinds what was imported."""
    found = []
    for kind in KIND_WORDS:
        lines = tuple(VersionLine(row, now) for row in versions if row.kind is kind)
        if lines or kind in {KeyKind.API_V2, KeyKind.CLIENT_CERTIFICATE}:
            found.append(KindView(kind, lines, change_urls.get(kind)))
    return tuple(found)
