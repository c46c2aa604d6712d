"""What the address of an order list asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from spapp.console.frame.list_query import DAY, ListQuery, QueryReader
from spapp.console.frame.words import TRADE_TYPE
from spapp.console.orders.words import DELIVERY
from spapp.web.pages import money
from sptenants.orders.filters import OrderFilter, Tab, failed_with, together
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.of_orders import in_state
from wechatpay.money import Fen


@dataclass(frozen=True, slots=True)
class OrderQuery(ListQuery):
    """Without a span of time, today's orders are meant."""

    default_range: ClassVar[str] = "today"

    tab: Tab = Tab.ALL
    appid: str | None = None
    way: str | None = None
    """A trade type."""
    webhook: DeliveryState | None = None
    """Orders with an event that is so far on its way to the merchant."""
    failure: str | None = None
    """A code of WeChat's with which it refused orders."""
    min: Fen | None = None
    max: Fen | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> OrderQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        way, webhook = reader.text("way"), reader.text("webhook")
        return cls(
            base=base,
            now=now,
            tab=Tab(given["status"]) if given.get("status") in set(Tab) else Tab.ALL,
            appid=reader.text("appid"),
            way=way if way in TRADE_TYPE else None,
            webhook=DeliveryState(webhook) if webhook in set(DeliveryState) else None,
            failure=reader.text("failure"),
            min=reader.yuan("min"),
            max=reader.yuan("max"),
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> OrderFilter:
        begin, end = self.period
        return OrderFilter(
            tab=self.tab,
            provider_id=self.provider,
            tenant_id=self.tenant,
            sub_appid=self.appid,
            trade_type=self.way,
            number=self.q,
            created_from=begin,
            created_to=end,
            amount_from=self.min.value if self.min else None,
            amount_to=self.max.value if self.max else None,
            also=together(
                in_state(self.webhook) if self.webhook else None,
                failed_with(self.failure) if self.failure else None,
            ),
        )

    def day_before(self) -> OrderFilter | None:
        """Return the same filter for yesterday up to this time of day, when the list shows today."""
        if self.effective_range != "today":
            return None
        begin, _end = self.period
        wanted = replace(self.to_filter(), created_to=self.now - DAY)
        return replace(wanted, created_from=begin - DAY if begin else None)

    @property
    def ways(self) -> Mapping[str, str]:
        return TRADE_TYPE

    @property
    def way_word(self) -> str | None:
        return TRADE_TYPE[self.way] if self.way else None

    @property
    def webhook_states(self) -> Mapping[DeliveryState, str]:
        return {state: chip.word for state, chip in DELIVERY.items()}

    @property
    def webhook_word(self) -> str | None:
        return DELIVERY[self.webhook].word if self.webhook else None

    @property
    def amount_word(self) -> str | None:
        if self.min is None and self.max is None:
            return None
        if self.max is None:
            return f"≥ {money(self.min)}" if self.min else None
        return f"{money(self.min)} – {money(self.max)}" if self.min else f"≤ {money(self.max)}"

    @property
    def min_text(self) -> str:
        return self.min.yuan if self.min else ""

    @property
    def max_text(self) -> str:
        return self.max.yuan if self.max else ""

    def _tab(self) -> str | None:
        return None if self.tab is Tab.ALL else self.tab.value

    def _own(self) -> dict[str, str | None]:
        return {
            "appid": self.appid,
            "way": self.way,
            "webhook": self.webhook.value if self.webhook else None,
            "failure": self.failure,
            "min": self.min_text,
            "max": self.max_text,
        }
