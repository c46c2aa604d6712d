"""What the address of the binding list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from spcore.db.keyset import decode_cursor, encode_cursor
from sptenants.registry.binding_list import BindingFilter
from sptenants.registry.rules import AppKind


class BindingTab(StrEnum):
    ALL = "all"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    INVALID = "invalid"
    DISABLED = "disabled"
    SHARED = "shared"
    NO_LOGIN = "no_login"


TABS = {
    BindingTab.ALL: N_("全部"),
    BindingTab.UNVERIFIED: N_("待微信侧绑定"),
    BindingTab.VERIFIED: N_("已验证"),
    BindingTab.INVALID: N_("不匹配"),
    BindingTab.SHARED: N_("多商户共用"),
    BindingTab.NO_LOGIN: N_("缺 AppSecret"),
}
_STATUSES = frozenset({"unverified", "verified", "invalid", "disabled"})


@dataclass(frozen=True, slots=True)
class BindingQuery(ListQuery):
    tab: BindingTab = BindingTab.ALL
    kind: AppKind | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> BindingQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        kind = given.get("kind")
        return cls(
            base=base,
            now=now,
            tab=BindingTab(given["status"]) if given.get("status") in set(BindingTab) else BindingTab.ALL,
            kind=AppKind(kind) if kind in set(AppKind) else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> BindingFilter:
        return BindingFilter(
            status=self.tab.value if self.tab in _STATUSES else None,
            kind=self.kind.value if self.kind else None,
            tenant_id=self.tenant,
            q=self.q[:64] if self.q else None,
            shared=self.tab is BindingTab.SHARED,
            lacks_secret=self.tab is BindingTab.NO_LOGIN,
        )

    @property
    def after(self) -> tuple[str, str] | None:
        """Where the page begins. Raises InvalidInput for a cursor that is not ours."""
        if self.cursor is None:
            return None
        appid, _, binding_id = decode_cursor(self.cursor).partition("-")
        return appid, binding_id

    def following(self, after: tuple[str, str] | None) -> str | None:
        return None if after is None else self.next_url(encode_cursor("-".join(after)))

    def _tab(self) -> str | None:
        return None if self.tab is BindingTab.ALL else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {"kind": self.kind.value if self.kind else None}
