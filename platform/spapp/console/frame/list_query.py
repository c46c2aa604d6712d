"""The URL of a list: everything it shows stands in there, so that a link can be shared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Self
from urllib.parse import urlencode

from spapp.console.frame.forms import fen_of_yuan
from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI
from spcore.errors import Text
from wechatpay.money import Fen

PRESETS = (
    ("today", N_("今天")),
    ("yesterday", N_("昨天")),
    ("7d", N_("近 7 天")),
    ("30d", N_("近 30 天")),
    ("all", N_("全部时间")),
)
PRESET_TEXTS = {
    "today": Text("今天", "Today"),
    "yesterday": Text("昨天", "Yesterday"),
    "7d": Text("近 7 天", "Last 7 days"),
    "30d": Text("近 30 天", "Last 30 days"),
    "all": Text("全部时间", "All time"),
}
TRAIL = 25
"""How many pages back the URL remembers; further back leads to the first page."""

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What every list understands. Dates are Shanghai days, inclusive; `faults` say what was unusable.

    Subclasses add their tab (`_tab`) and their own filters (`_own`), and say which span of time is meant when
    none is named.
    """

    default_range: ClassVar[str] = "all"

    base: str
    now: datetime
    range: str | None = None
    from_: date | None = None
    to: date | None = None
    provider: str | None = None
    tenant: str | None = None
    q: str | None = None
    cursor: str | None = None
    trail: tuple[str, ...] = ()
    faults: tuple[Text, ...] = ()

    @staticmethod
    def common(reader: QueryReader) -> dict[str, Any]:
        """Return the fields of this class as read from the address; subclasses add theirs."""
        first, last = reader.day("from"), reader.day("to")
        chosen = reader.text("range")
        return {
            "range": chosen if chosen in PRESET_TEXTS and not (first or last) else None,
            "from_": first,
            "to": last,
            "provider": reader.text("provider"),
            "tenant": reader.text("tenant"),
            "q": reader.text("q"),
            "cursor": reader.text("cursor"),
            "trail": tuple(part for part in (reader.text("trail") or "").split(".") if part)[-TRAIL:],
        }

    # --- what to read --------------------------------------------------------------------------------

    @property
    def days(self) -> tuple[date | None, date | None]:
        """Return the first and the last day in Beijing, both included; None is open."""
        return self._days_meant()

    def _days_meant(self) -> tuple[date | None, date | None]:
        today = self.now.astimezone(SHANGHAI).date()
        first, last = self.from_, self.to
        match self.effective_range:
            case "today":
                first = last = today
            case "yesterday":
                first = last = today - DAY
            case "7d":
                first, last = today - 6 * DAY, today
            case "30d":
                first, last = today - 29 * DAY, today
        return first, last

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """Return the half-open span of time `[from, to)`, aware; None is open."""
        first, last = self._days_meant()  # a kind of list may have other `days`, made of its period
        return _midnight(first), _midnight(last + DAY if last else None)

    def as_facts(self) -> dict[str, str]:
        """Return the filter as plain values for the audit log, without the place in the list."""
        left_out = {"cursor", "trail"}
        return {name: value for name, value in self._parameters() if name not in left_out}

    @property
    def effective_range(self) -> str | None:
        """Looking for a number means looking everywhere, unless a time was named too."""
        if self.from_ or self.to:
            return None
        return self.range or ("all" if self.q else self.default_range)

    def first_page(self, *faults: Text) -> Self:
        """Return the same list from its start, with what was wrong about the place asked for."""
        return replace(self, cursor=None, trail=(), faults=(*self.faults, *faults))

    # --- what to show --------------------------------------------------------------------------------

    @property
    def presets(self) -> tuple[tuple[str, str], ...]:
        return PRESETS

    @property
    def is_default_period(self) -> bool:
        return self.range is None and not (self.from_ or self.to)

    @property
    def names_period(self) -> bool:
        """Whether the list is shorter for its span of time, so that the span is to be seen."""
        return not (self.is_default_period and self.default_range == "all")

    @property
    def is_filtered(self) -> bool:
        common = (self.provider, self.tenant, self.q, *self._own().values())
        return not self.is_default_period or any(common)

    @property
    def period_word(self) -> Text:
        if self.effective_range is not None:
            return PRESET_TEXTS[self.effective_range]
        span = f"{self.from_text or '…'} – {self.to_text or '…'}"
        return Text(span, span)

    @property
    def period_in_full(self) -> Text:
        """The heading's second half, such as 今天 00:00 – 14:38（北京时间）."""
        local = self.now.astimezone(SHANGHAI)
        if self.effective_range == "today":
            return Text(
                f"今天 00:00 – {local:%H:%M}（北京时间）", f"Today 00:00 – {local:%H:%M} (Beijing time)"
            )
        if self.effective_range == "all":
            return Text("全部时间（北京时间）", "All time (Beijing time)")
        begin, end = self.period
        shown = [f"{at.astimezone(SHANGHAI):%Y-%m-%d}" if at else "…" for at in (begin, end and end - DAY)]
        span = shown[0] if shown[0] == shown[1] else " – ".join(shown)
        return Text(f"{span}（北京时间）", f"{span} (Beijing time)")

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

    def _tab(self) -> str | None:
        """Return the tab as the address names it; None for the one that is shown unasked."""
        return None

    def _own(self) -> dict[str, str | None]:
        """Return the list's own filters as the address names them."""
        return {}

    def _parameters(self) -> Iterator[tuple[str, str]]:
        values = {
            "status": self._tab(),
            "range": self.range,
            "from": self.from_text,
            "to": self.to_text,
            "provider": self.provider,
            "tenant": self.tenant,
            **self._own(),
            "q": self.q,
            "cursor": self.cursor,
            "trail": ".".join(self.trail),
        }
        return ((name, value) for name, value in values.items() if value)


class QueryReader:
    """Reads query parameters; what cannot be read counts as left out and is named in `faults`."""

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
        if (amount := fen_of_yuan(value)) is None:
            self.faults.append(
                Text(
                    f"金额“{value[:32]}”无法识别，已忽略：请填写以元为单位、最多两位小数的数字。",
                    f"The amount “{value[:32]}” was ignored: write yuan with at most two decimals.",
                )
            )
        return amount


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), SHANGHAI)
