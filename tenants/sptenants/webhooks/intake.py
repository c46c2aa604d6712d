"""Reading the parameters of the event and delivery lists: every fault is listed, with its place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from spcore.errors import Fault, InvalidInput, Text
from sptenants.webhooks.event_types import EVENT_TYPES
from sptenants.webhooks.models import DeliveryState
from sptenants.webhooks.reader import DeliveryFilter, EventFilter

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

Query = Sequence[tuple[str, str]]
Paging = tuple[int, str | None]


def read_event_query(query: Query) -> tuple[EventFilter, Paging]:
    """Read the parameters of `GET /v1/events`. Raises InvalidInput."""
    reader = _Reader(query, {"type", "order_id", "created_from", "created_to"})
    wanted = EventFilter(
        type=reader.one_of("type", EVENT_TYPES),
        order_id=reader.text("order_id"),
        created_from=reader.moment("created_from"),
        created_to=reader.moment("created_to"),
    )
    return wanted, reader.paging()


def read_delivery_query(query: Query) -> tuple[DeliveryFilter, Paging]:
    """Read the parameters of `GET /v1/deliveries`. Raises InvalidInput."""
    reader = _Reader(
        query, {"endpoint_id", "event_id", "order_id", "state", "type", "created_from", "created_to"}
    )
    state = reader.one_of("state", tuple(DeliveryState))
    wanted = DeliveryFilter(
        endpoint_id=reader.text("endpoint_id"),
        event_id=reader.text("event_id"),
        subject=reader.text("order_id"),
        state=DeliveryState(state) if state is not None else None,
        type=reader.one_of("type", EVENT_TYPES),
        created_from=reader.moment("created_from"),
        created_to=reader.moment("created_to"),
    )
    return wanted, reader.paging()


class _Reader:
    """The parameters of one address. `paging` is read last and raises for everything that was wrong."""

    def __init__(self, query: Query, known: set[str]) -> None:
        self._faults: list[Fault] = []
        self._given: dict[str, str] = {}
        for name, value in query:
            if name not in known | {"limit", "cursor"}:
                self._fault(name[:64], "unknown_field", _UNKNOWN)
            elif name in self._given:
                self._fault(name, "duplicate", _TWICE)
            elif "\0" in value:
                self._fault(name, "invalid_format", _NUL)
            else:
                self._given[name] = value

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def one_of(self, name: str, allowed: Sequence[str]) -> str | None:
        given = self._given.get(name)
        if given is None or given in allowed:
            return given
        words = " ".join(allowed)
        self._fault(name, "invalid_value", Text(f"应为其中之一：{words}。", f"must be one of {words}."))
        return None

    def moment(self, name: str) -> datetime | None:
        given = self._given.get(name)
        if given is None:
            return None
        try:
            at = datetime.fromisoformat(given)
        except ValueError:
            at = None
        if at is None or at.tzinfo is None:
            self._fault(name, "invalid_format", _MOMENT)
            return None
        return at

    def paging(self) -> Paging:
        """Return limit and cursor. Raises InvalidInput with every fault found."""
        given = self._given.get("limit")
        limit = DEFAULT_LIMIT
        if given is not None:
            sound = given.isascii() and given.isdigit() and len(given) <= 3
            if sound and 1 <= int(given) <= MAX_LIMIT:
                limit = int(given)
            else:
                self._fault("limit", "out_of_range", _LIMIT)
        if self._faults:
            raise InvalidInput(*self._faults)
        return limit, self._given.get("cursor")

    def _fault(self, name: str, code: str, text: Text) -> None:
        self._faults.append(Fault(f"#/{name}", code, text))


_UNKNOWN = Text("未知查询参数，请去掉。", "is not a parameter of this address; leave it out.")
_TWICE = Text("参数重复出现。", "is given more than once.")
_NUL = Text("含有空字符（NUL），请去掉。", "holds a NUL character; leave it out.")
_LIMIT = Text(f"应为 1 到 {MAX_LIMIT}。", f"must be from 1 to {MAX_LIMIT}.")
_MOMENT = Text(
    "应为带时区的时间，如 2026-11-21T00:00:00+08:00（+ 在地址中写作 %2B）。",
    "must be a time with its zone, such as 2026-11-21T00:00:00+08:00 (+ is %2B in an address).",
)
