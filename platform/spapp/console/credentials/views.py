"""A provider's keys as templates show them: versions, dates and marks, never a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from spapp.console.credentials.kinds import PAGES, KeyPage
from spapp.console.frame.words import Chip
from spapp.web.i18n import N_
from spcore.errors import Text
from spcore.providers.keys import SIDE_BY_SIDE
from spcore.providers.models import KeyKind, KeyState
from spcore.providers.platform_certificates import Fetch
from spcore.providers.rotation import KeyVersion
from spcore.providers.uses import Use

_STATES = {
    "candidate": Chip("info", N_("候选")),
    "active": Chip("ok", N_("使用中")),
    "retiring": Chip("wait", N_("仅验签")),
    "retired": Chip("mute", N_("已停用")),
}
_REPLACED = {
    KeyKind.API_V3: Chip("wait", N_("仅解密")),
    KeyKind.CLIENT_CERTIFICATE: Chip("wait", N_("可退回")),
}
"""What kinds that verify nothing are kept for once they are replaced."""
SOON_DAYS, URGENT_DAYS = 30, 7
VERSIONS_SHOWN = 8
"""Of each kind, the newest first."""
_NEEDED = {
    "v2": frozenset({KeyKind.API_V2, KeyKind.CLIENT_CERTIFICATE}),
    "v3": frozenset({KeyKind.API_V3, KeyKind.CLIENT_CERTIFICATE, KeyKind.WECHATPAY_PUBLIC_KEY}),
}


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


def version_chip(row: KeyVersion, now: datetime) -> Chip:
    """Return the state of a version in words."""
    state = row.state_at(now)
    if state == KeyState.RETIRING and row.kind in _REPLACED:
        return _REPLACED[row.kind]
    return _STATES[state]


@dataclass(frozen=True, slots=True)
class VersionLine:
    row: KeyVersion
    now: datetime
    last_used: datetime | None
    """When it was last met within a week; None for longer ago, and for what nothing is noted of."""

    @property
    def chip(self) -> Chip:
        return version_chip(self.row, self.now)

    @property
    def expiry(self) -> Expiry | None:
        return Expiry(self.row.not_after, self.now) if self.row.not_after else None

    @property
    def verifies_until(self) -> datetime | None:
        """Until when one that signs no more, or not yet, is still believed."""
        until = self.row.verify_until
        return until if until is not None and self.now < until else None


@dataclass(frozen=True, slots=True)
class KindView:
    """All versions of one kind of key; the addresses are there for whoever may change them."""

    page: KeyPage
    lines: tuple[VersionLine, ...]
    may_change: bool
    is_needed: bool

    @property
    def current(self) -> VersionLine | None:
        """The active one; of several that are valid side by side the one that ends last."""
        active = [line for line in self.lines if line.row.state == KeyState.ACTIVE]
        dated = [line for line in active if line.row.not_after is not None]
        return max(dated, key=_end) if dated else next(iter(active), None)

    @property
    def candidate(self) -> VersionLine | None:
        return next((line for line in self.lines if line.row.state == KeyState.CANDIDATE), None)

    @property
    def change_url(self) -> str | None:
        return self.page.url if self.may_change and self.page.handed_in else None

    @property
    def candidate_url(self) -> str | None:
        return self.page.candidate_url if self.may_change and self.candidate else None

    @property
    def roll_back_url(self) -> str | None:
        """One step back leads to a version that still verifies."""
        if not self.may_change or self.page.kind in SIDE_BY_SIDE:
            return None
        return (
            self.page.roll_back_url
            if any(line.row.state_at(line.now) == KeyState.RETIRING for line in self.lines)
            else None
        )

    def acts_on(self, line: VersionLine) -> tuple[tuple[str, str], ...]:
        """Return what the owner may do with one version: words and address."""
        if not self.may_change or line.row.state == KeyState.CANDIDATE:
            return ()
        state, version = line.row.state_at(line.now), line.row.version
        is_ours = self.page.kind not in SIDE_BY_SIDE
        if state == KeyState.RETIRING or (state == KeyState.ACTIVE and not is_ours):
            found = [(N_("停用"), self.page.change_of("retire", version))]
            if state == KeyState.RETIRING and not is_ours:
                found.append((N_("恢复使用"), self.page.change_of("restore", version)))
            return tuple(found)
        has_ended = line.expiry is not None and line.expiry.has_passed
        if state == KeyState.RETIRED and not is_ours and not has_ended and not self._is_replaced(line):
            return ((N_("恢复使用"), self.page.change_of("restore", version)),)
        return ()

    def _is_replaced(self, line: VersionLine) -> bool:
        """Whether a version of the same id or serial number is newer, or in use."""
        return any(
            other.row.label == line.row.label
            and (other.row.version > line.row.version or other.row.state == KeyState.ACTIVE)
            for other in self.lines
            if other is not line
        )


def _end(line: VersionLine) -> datetime:
    return line.row.not_after or line.now


def kind_views(
    versions: Sequence[KeyVersion],
    uses: Iterable[Use],
    now: datetime,
    *,
    api_version: str,
    may_change: bool,
) -> tuple[KindView, ...]:
    """Return every kind a provider can have; what its API version needs is asked for where it is missing."""
    last: dict[tuple[KeyKind, str], datetime] = {}
    for use in uses:
        key = use.kind, use.name
        last[key] = max(use.last_at, last.get(key, use.last_at))
    needed = _NEEDED[api_version]
    found = []
    for page in PAGES:
        lines = tuple(
            VersionLine(row, now, last.get((row.kind, row.label or str(row.version))))
            for row in versions
            if row.kind is page.kind
        )
        found.append(KindView(page, lines[:VERSIONS_SHOWN], may_change, page.kind in needed))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FetchView:
    """How the last question for platform certificates ended, and when the next one is."""

    fetch: Fetch
    provider_id: str
    now: datetime

    @property
    def chip(self) -> Chip:
        if self.fetch.result in _FETCHES:
            return _FETCHES[self.fetch.result]
        return Chip("bad", N_("下载失败"))

    @property
    def why(self) -> str | None:
        """The short token of what went wrong."""
        return None if self.fetch.result in _FETCHES else self.fetch.result

    @property
    def next_at(self) -> datetime:
        return max(self.now, self.fetch.next_at(self.provider_id))


_FETCHES = {
    "asking": Chip("wait", N_("下载中")),
    "fetched": Chip("ok", N_("已下载")),
    "none": Chip("mute", N_("微信侧没有平台证书")),
}
