"""The forms of endpoints: adding and changing one, and sending a range of deliveries again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from spapp.console.frame.forms import field as text_of
from spapp.web.pages import SHANGHAI
from spcore.errors import Fault, InvalidInput, Text
from sptenants.webhooks.endpoints import EndpointChange
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.records import EndpointRecord
from sptenants.webhooks.service import ResendRange


@dataclass(frozen=True, slots=True)
class EndpointForm:
    """The fields as typed; no type chosen means all of them. `faults` by field."""

    tenant_id: str = ""
    url: str = ""
    description: str = ""
    event_types: tuple[str, ...] = ()
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def of(cls, endpoint: EndpointRecord) -> EndpointForm:
        return cls(
            endpoint.tenant_id, endpoint.url, endpoint.description or "", tuple(endpoint.event_types or ())
        )

    @classmethod
    def read(cls, form: Any) -> EndpointForm:
        chosen = (value for value in form.getall("event_types", []) if isinstance(value, str))
        return cls(
            tenant_id=text_of(form, "tenant_id"),
            url=text_of(form, "url").strip(),
            description=text_of(form, "description").strip(),
            event_types=tuple(chosen),
        )

    @property
    def wanted_types(self) -> list[str] | None:
        return list(self.event_types) or None

    @property
    def wanted_description(self) -> str | None:
        return self.description or None

    def change(self) -> EndpointChange:
        fields = {
            "url": self.url,
            "description": self.wanted_description,
            "event_types": self.wanted_types,
        }
        return EndpointChange(fields)


@dataclass(frozen=True, slots=True)
class RangeForm:
    """Which finished deliveries to send again, by Shanghai days, both inclusive."""

    state: str = DeliveryState.FAILED.value
    first: str = ""
    last: str = ""

    @classmethod
    def read(cls, form: Any) -> RangeForm:
        return cls(text_of(form, "state"), text_of(form, "first"), text_of(form, "last"))

    def wanted(self, endpoint_id: str) -> ResendRange:
        """Return the range. Raises InvalidInput."""
        faults = []
        if self.state not in (DeliveryState.FAILED, DeliveryState.DELIVERED):
            faults.append(Fault("#/state", "unknown_value", _STATE))
        first, last = _day(self.first), _day(self.last)
        if first is None or last is None or last < first:
            faults.append(Fault("#/first", "invalid_format", _DAYS))
        if faults or first is None or last is None:
            raise InvalidInput(*faults)
        return ResendRange(
            endpoint_id, DeliveryState(self.state), _midnight(first), _midnight(last + timedelta(days=1))
        )


def _day(typed: str) -> date | None:
    try:
        day = date.fromisoformat(typed) if len(typed) == 10 else None
    except ValueError:
        return None
    return day if day is not None and 2000 <= day.year <= 2999 else None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SHANGHAI)


_STATE = Text("请选择重发哪种状态的投递。", "Choose which deliveries to send again.")
_DAYS = Text(
    "请填写起止日期，形如 2026-11-21，起始不晚于结束。",
    "Give both days like 2026-11-21, the first not after the last.",
)
