"""The URL of an order list: everything it shows stands in there, so that a link can be shared."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI, money
from spcore.errors import Text
from sptenants.orders.filters import OrderFilter, Tab
from wechatpay.money import Fen

PRESETS = (
    ("today", N_("今天")),
    ("yesterday", N_("昨天")),
    ("7d", N_("近 7 天")),
    ("30d", N_("近 30 天")),
    ("all", N_("全部时间")),
)
_PRESET_TEXTS = {
    "today": Text("今天", "Today"),
    "yesterday": Text("昨天", "Yesterday"),
    "7d": Text("近 7 天", "Last 7 days"),
    "30d": Text("近 30 天", "Last 30 days"),
    "all": Text("全部时间", "All time"),
}
TRAIL = 25
"""How many pages back the URL remembers; further back leads to the first page."""

# console-and-api-design section 7: amounts typed by people.
_YUAN = re.compile(r"(0|[1-9][0-9]{0,6})(\.[0-9]{1,2})?")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class OrderQuery:
    """What the address bar asks for. Dates are Shanghai days, inclusive; `faults` say what was unusable."""

    base: str
    now: datetime
    tab: Tab = Tab.ALL
    range: str | None = None
    from_: date | None = None
    to: date | None = None
    provider: str | None = None
    tenant: str | None = None
    appid: str | None = None
    min: Fen | None = None
    max: Fen | None = None
    q: str | None = None
    cursor: str | None = None
    trail: tuple[str, ...] = ()
    faults: tuple[Text, ...] = ()

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> OrderQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = _Reader(given)
        first, last = reader.day("from"), reader.day("to")
        chosen = reader.text("range")
        return cls(
            base=base,
            now=now,
            tab=Tab(given["status"]) if given.get("status") in set(Tab) else Tab.ALL,
            range=chosen if chosen in _PRESET_TEXTS and not (first or last) else None,
            from_=first,
            to=last,
            provider=reader.text("provider"),
            tenant=reader.text("tenant"),
            appid=reader.text("appid"),
            min=reader.yuan("min"),
            max=reader.yuan("max"),
            q=reader.text("q"),
            cursor=reader.text("cursor"),
            trail=tuple(part for part in (reader.text("trail") or "").split(".") if part)[-TRAIL:],
            faults=tuple(reader.faults),
        )

    # --- what to read --------------------------------------------------------------------------------

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return the half-open span of time `[from, to)`, aware; None is open."""
        today = self.now.astimezone(SHANGHAI).date()
        first, last = self.from_, self.to
        match self._effective_range:
            case "today":
                first = last = today
            case "yesterday":
                first = last = today - _DAY
            case "7d":
                first, last = today - 6 * _DAY, today
            case "30d":
                first, last = today - 29 * _DAY, today
        return _midnight(first), _midnight(last + _DAY if last else None)

    def to_filter(self) -> OrderFilter:
        begin, end = self.period
        return OrderFilter(
            tab=self.tab,
            provider_id=self.provider,
            tenant_id=self.tenant,
            sub_appid=self.appid,
            number=self.q,
            created_from=begin,
            created_to=end,
            amount_from=self.min.value if self.min else None,
            amount_to=self.max.value if self.max else None,
        )

    def day_before(self) -> OrderFilter | None:
        """Return the same filter for yesterday up to this time of day, when the list shows today."""
        if self._effective_range != "today":
            return None
        begin, _end = self.period
        wanted = replace(self.to_filter(), created_to=self.now - _DAY)
        return replace(wanted, created_from=begin - _DAY if begin else None)

    def as_facts(self) -> dict[str, str]:
        """Return the filter as plain values for the audit log, without the place in the list."""
        left_out = {"cursor", "trail"}
        return {name: value for name, value in self._parameters() if name not in left_out}

    @property
    def _effective_range(self) -> str | None:
        """Looking for a number means looking everywhere, unless a time was named too."""
        if self.from_ or self.to:
            return None
        return self.range or ("all" if self.q else "today")

    # --- what to show --------------------------------------------------------------------------------

    @property
    def presets(self) -> tuple[tuple[str, str], ...]:
        return PRESETS

    @property
    def is_default_period(self) -> bool:
        return self.range is None and not (self.from_ or self.to)

    @property
    def is_filtered(self) -> bool:
        others = (self.provider, self.tenant, self.appid, self.min, self.max, self.q)
        return not self.is_default_period or any(value is not None for value in others)

    @property
    def period_word(self) -> Text:
        if self._effective_range is not None:
            return _PRESET_TEXTS[self._effective_range]
        span = f"{self.from_text or '…'} – {self.to_text or '…'}"
        return Text(span, span)

    @property
    def period_in_full(self) -> Text:
        """The heading's second half, such as 今天 00:00 – 14:38（北京时间）."""
        local = self.now.astimezone(SHANGHAI)
        if self._effective_range == "today":
            return Text(
                f"今天 00:00 – {local:%H:%M}（北京时间）", f"Today 00:00 – {local:%H:%M} (Beijing time)"
            )
        if self._effective_range == "all":
            return Text("全部时间（北京时间）", "All time (Beijing time)")
        begin, end = self.period
        shown = [f"{at.astimezone(SHANGHAI):%Y-%m-%d}" if at else "…" for at in (begin, end and end - _DAY)]
        span = shown[0] if shown[0] == shown[1] else " – ".join(shown)
        return Text(f"{span}（北京时间）", f"{span} (Beijing time)")

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

    @property
    def from_text(self) -> str:
        return self.from_.isoformat() if self.from_ else ""

    @property
    def to_text(self) -> str:
        return self.to.isoformat() if self.to else ""

    # --- links ---------------------------------------------------------------------------------------

    def url(self, **changes: Any) -> str:
        """Return this list with other filters, from its first page."""
        changed = replace(self, **({"cursor": None, "trail": ()} | changes))
        query = urlencode(list(changed._parameters()))
        return f"{self.base}?{query}" if query else self.base

    def next_url(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        trail = (*self.trail, self.cursor)[-TRAIL:] if self.cursor else ()
        return self.url(cursor=cursor, trail=trail)

    @property
    def previous_url(self) -> str | None:
        if self.cursor is None:
            return None
        return self.url(cursor=self.trail[-1] if self.trail else None, trail=self.trail[:-1])

    @property
    def hidden(self) -> Iterator[tuple[str, str]]:
        """What the filter form keeps although it has no field for it."""
        return ((name, value) for name, value in self._parameters() if name in {"status", "range"})

    def _parameters(self) -> Iterator[tuple[str, str]]:
        values = {
            "status": None if self.tab is Tab.ALL else self.tab.value,
            "range": self.range,
            "from": self.from_text,
            "to": self.to_text,
            "provider": self.provider,
            "tenant": self.tenant,
            "appid": self.appid,
            "min": self.min_text,
            "max": self.max_text,
            "q": self.q,
            "cursor": self.cursor,
            "trail": ".".join(self.trail),
        }
        return ((name, value) for name, value in values.items() if value)


class _Reader:
    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.faults: list[Text] = []

    def text(self, name: str) -> str | None:
        value = self._given.get(name, "").strip()
        # A NUL byte is the one character that PostgreSQL cannot be asked about.
        return value if value and "\0" not in value and len(value) <= 2000 else None

    def day(self, name: str) -> date | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            parsed = date.fromisoformat(value) if len(value) == 10 else None
        except ValueError:
            parsed = None
        if parsed is None or not 2000 <= parsed.year <= 2999:
            self.faults.append(
                Text(
                    f"日期“{value[:32]}”无法识别，已忽略：请写成 2026-11-21 这样的形式。",
                    f"The date “{value[:32]}” was ignored: write it like 2026-11-21.",
                )
            )
            return None
        return parsed

    def yuan(self, name: str) -> Fen | None:
        value = self.text(name)
        if value is None:
            return None
        if _YUAN.fullmatch(value) is None:
            self.faults.append(
                Text(
                    f"金额“{value[:32]}”无法识别，已忽略：请填写以元为单位、最多两位小数的数字。",
                    f"The amount “{value[:32]}” was ignored: write yuan with at most two decimals.",
                )
            )
            return None
        return Fen.from_yuan(value)


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), SHANGHAI)
