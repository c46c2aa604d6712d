"""What the addresses of the endpoint list and of a delivery list ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.webhooks.views import ANSWER_WORDS, DELIVERY
from spapp.web.i18n import N_
from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.reader import AnswerClass, DeliveryFilter, EndpointFilter


class EndpointTab(StrEnum):
    ALL = "all"
    ACTIVE = "active"
    DISABLED = "disabled"


ENDPOINT_TABS = {
    EndpointTab.ALL: N_("全部"),
    EndpointTab.ACTIVE: N_("使用中"),
    EndpointTab.DISABLED: N_("已停用"),
}


@dataclass(frozen=True, slots=True)
class EndpointQuery(ListQuery):
    tab: EndpointTab = EndpointTab.ALL

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> EndpointQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        tab = EndpointTab(given["status"]) if given.get("status") in set(EndpointTab) else EndpointTab.ALL
        return cls(base=base, now=now, tab=tab, **cls.common(reader), faults=tuple(reader.faults))

    def to_filter(self) -> EndpointFilter:
        status = None if self.tab is EndpointTab.ALL else self.tab.value
        return EndpointFilter(tenant_id=self.tenant, status=status)

    def _tab(self) -> str | None:
        return None if self.tab is EndpointTab.ALL else self.tab.value


@dataclass(frozen=True, slots=True)
class DeliveryQuery(ListQuery):
    """The deliveries of one endpoint, whose page is `base`."""

    state: DeliveryState | None = None
    type: str | None = None
    answered: AnswerClass | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> DeliveryQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        state, kind, answered = given.get("status"), given.get("type"), given.get("answered")
        return cls(
            base=base,
            now=now,
            state=DeliveryState(state) if state in set(DeliveryState) else None,
            type=kind if kind in EVENT_TYPES else None,
            answered=AnswerClass(answered) if answered in set(AnswerClass) else None,
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self, endpoint_id: str, tenant_id: str) -> DeliveryFilter:
        begin, end = self.period
        return DeliveryFilter(
            tenant_id=tenant_id,
            endpoint_id=endpoint_id,
            type=self.type,
            state=self.state,
            answered=self.answered,
            created_from=begin,
            created_to=end,
        )

    @property
    def tabs(self) -> list[tuple[str, str, bool]]:
        """Return word, address and whether it is shown, of each state."""
        every = (N_("全部"), self.url(state=None), self.state is None)
        return [
            every,
            *((chip.word, self.url(state=state), state is self.state) for state, chip in DELIVERY.items()),
        ]

    @property
    def answered_word(self) -> str | None:
        return ANSWER_WORDS[self.answered] if self.answered is not None else None

    def _tab(self) -> str | None:
        return self.state.value if self.state is not None else None

    def _own(self) -> dict[str, str | None]:
        return {"type": self.type, "answered": self.answered.value if self.answered else None}
