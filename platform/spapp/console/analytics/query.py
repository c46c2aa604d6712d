"""What the address of the analysis asks for: a range of whole days, and whose orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from spapp.console.frame.list_query import DAY, ListQuery, QueryReader
from spapp.console.frame.words import MODE
from spapp.web.i18n import N_
from spapp.web.pages import SHANGHAI
from spcore.errors import Text
from sptenants.analytics.cuts import Cut
from sptenants.orders.filters import ReadScope
from sptenants.orders.sums import Part, midnight

MOST_DAYS = 92
_RANGES = {"7d": 7, "14d": 14, "30d": 30, "90d": 90}
_PRESETS = (
    ("7d", N_("近 7 天")),
    ("14d", N_("近 14 天")),
    ("30d", N_("近 30 天")),
    ("90d", N_("近 90 天")),
)
_TOO_LONG = Text(
    f"一次最多看 {MOST_DAYS} 天，已从最后一天往前取。",
    f"At most {MOST_DAYS} days at once: the last ones are shown.",
)
_TURNED = Text("开始日期在结束日期之后，已对调。", "The range began after its end; its ends were exchanged.")


@dataclass(frozen=True, slots=True)
class AnalyticsQuery(ListQuery):
    """Without a range the last 14 days are meant. `first` and `last` are Shanghai days, both included."""

    default_range: ClassVar[str] = "14d"

    appid: str | None = None
    mode: str | None = None
    first: date = date.min
    last: date = date.min

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> AnalyticsQuery:
        """Read query parameters. What cannot be used is mended or left out, and named in `faults`."""
        reader = QueryReader(given)
        common = cls.common(reader)
        if not (common["from_"] or common["to"]):
            common["range"] = given["range"] if given.get("range") in _RANGES else None
        first, last = _days(common["range"] or cls.default_range, common["from_"], common["to"], now, reader)
        mode = reader.text("mode")
        return cls(
            base=base,
            now=now,
            appid=reader.text("appid"),
            mode=mode if mode in MODE else None,
            first=first,
            last=last,
            **common,
            faults=tuple(reader.faults),
        )

    def cut(self, scope: ReadScope) -> Cut:
        part = Part(self.provider, self.tenant, self.appid, self.mode)
        return Cut(scope, self.first, self.last, part)

    def before(self, scope: ReadScope) -> Cut:
        """Return the same cut of as many days right before."""
        return self.cut(scope).on(self.first - (self.last - self.first) - DAY, self.first - DAY)

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        return midnight(self.first), midnight(self.last + DAY)

    @property
    def presets(self) -> tuple[tuple[str, str], ...]:
        return _PRESETS

    @property
    def names_period(self) -> bool:
        return True

    @property
    def period_word(self) -> Text:
        if self.effective_range is None:
            span = f"{self.first} – {self.last}"
            return Text(span, span)
        days = _RANGES[self.effective_range]
        return Text(f"近 {days} 天", f"Last {days} days")

    @property
    def effective_range(self) -> str | None:
        return None if self.from_ or self.to else self.range or self.default_range

    @property
    def period_in_full(self) -> Text:
        span = f"{self.first} – {self.last}"
        return Text(f"{span}（北京时间）", f"{span} (Beijing time)")

    @property
    def mode_word(self) -> str | None:
        return MODE[self.mode] if self.mode else None

    @property
    def modes(self) -> Mapping[str, str]:
        return MODE

    @property
    def as_orders(self) -> str:
        """The same cut as the part of an order list's address behind the question mark."""
        named = {
            "from": self.first.isoformat(),
            "to": self.last.isoformat(),
            "provider": self.provider,
            "tenant": self.tenant,
            "appid": self.appid,
        }
        return "&".join(f"{name}={value}" for name, value in named.items() if value)

    def _own(self) -> dict[str, str | None]:
        return {"appid": self.appid, "mode": self.mode}


def _days(
    preset: str, begin: date | None, end: date | None, now: datetime, reader: QueryReader
) -> tuple[date, date]:
    today = now.astimezone(SHANGHAI).date()
    if begin is None and end is None:
        return today - (_RANGES[preset] - 1) * DAY, today
    first, last = begin or end or today, end or today
    if first > last:
        reader.faults.append(_TURNED)
        first, last = last, first
    if (last - first).days >= MOST_DAYS:
        reader.faults.append(_TOO_LONG)
        first = last - (MOST_DAYS - 1) * DAY
    return first, last
