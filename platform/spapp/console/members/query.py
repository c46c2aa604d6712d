"""What the address of a list of members asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.accounts.directory import MemberFilter
from spapp.accounts.keepers import PLATFORM_ROLES, PROVIDER_ROLES
from spapp.accounts.models import Role
from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_


class MemberTab(StrEnum):
    ALL = "all"
    PLATFORM = "platform"
    PROVIDER = "provider"
    MERCHANT = "merchant"


TAB_WORDS = {
    MemberTab.ALL: N_("全部"),
    MemberTab.PLATFORM: N_("平台"),
    MemberTab.PROVIDER: N_("服务商"),
    MemberTab.MERCHANT: N_("特约商户"),
}
_ROLES: Mapping[MemberTab, Sequence[Role]] = {
    MemberTab.ALL: tuple(Role),
    MemberTab.PLATFORM: PLATFORM_ROLES,
    MemberTab.PROVIDER: PROVIDER_ROLES,
    MemberTab.MERCHANT: (Role.MERCHANT_USER,),
}


@dataclass(frozen=True, slots=True)
class MemberQuery(ListQuery):
    tab: MemberTab = MemberTab.ALL
    first_tab: MemberTab = MemberTab.ALL
    """The one that is shown unasked."""

    @classmethod
    def parse(
        cls, base: str, given: Mapping[str, str], now: datetime, tabs: Sequence[MemberTab]
    ) -> MemberQuery:
        """Read query parameters; `tabs` are those of the page, the first one is shown unasked."""
        reader = QueryReader(given)
        asked = given.get("status")
        return cls(
            base=base,
            now=now,
            tab=next((tab for tab in tabs if tab == asked), tabs[0]),
            first_tab=tabs[0],
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(
        self, *, provider_id: str | None, tenant_id: str | None, roles: Sequence[Role]
    ) -> MemberFilter:
        """Return the filter within a place; `roles` are those that the person may see."""
        seen = [role for role in _ROLES[self.tab] if role in roles]
        return MemberFilter(
            provider_id=provider_id,
            tenant_id=tenant_id if tenant_id is not None else self.tenant,
            roles=seen,
            q=self.q,
        )

    def _tab(self) -> str | None:
        return None if self.tab is self.first_tab else self.tab.value
