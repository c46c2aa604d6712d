"""What the address of the key list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.web.i18n import N_
from sptenants.registry.key_service import KeyFilter


class KeyTab(StrEnum):
    IN_USE = "in_use"
    OWN = "own"
    """The service provider's own keys, which a merchant's area does not have."""
    ALL = "all"


TABS = {KeyTab.IN_USE: N_("有效"), KeyTab.OWN: N_("服务商密钥"), KeyTab.ALL: N_("全部（含已吊销）")}


@dataclass(frozen=True, slots=True)
class KeyQuery(ListQuery):
    tab: KeyTab = KeyTab.IN_USE

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> KeyQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        tab = KeyTab(given["status"]) if given.get("status") in set(KeyTab) else KeyTab.IN_USE
        return cls(base=base, now=now, tab=tab, **cls.common(reader), faults=tuple(reader.faults))

    def to_filter(self) -> KeyFilter:
        return KeyFilter(tenant_id=self.tenant, own=self.tab is KeyTab.OWN, in_use=self.tab is not KeyTab.ALL)

    def _tab(self) -> str | None:
        return None if self.tab is KeyTab.IN_USE else self.tab.value
