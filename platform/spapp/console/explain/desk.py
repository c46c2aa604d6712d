"""The catalogue's page: every code of WeChat in plain words, searchable, and what is still missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from litestar import Response

from spapp.console.frame.explained import API, WHO, Explained
from spapp.console.frame.workplace import Workplace
from spapp.web.i18n import N_
from spcore.errors import Text
from sptenants.orders.unexplained import Unexplained
from wechatpay.explain import Explanation, all_explanations

MAX_QUERY = 64


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the catalogue."""

    explanation: Explanation

    @property
    def api_word(self) -> str:
        return API.get(self.explanation.api, self.explanation.api)

    @property
    def who(self) -> str:
        return WHO[self.explanation.who]

    @property
    def cause(self) -> Text:
        return Text(self.explanation.cause_zh, self.explanation.cause_en)

    @property
    def fix(self) -> Text:
        return Text(self.explanation.fix_zh, self.explanation.fix_en)


@dataclass(frozen=True, slots=True)
class CatalogueQuery:
    """What the address asks for: words to search, or one code of one interface."""

    q: str
    api: str
    code: str

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> CatalogueQuery:
        return cls(*(given.get(name, "").strip()[:MAX_QUERY] for name in ("q", "api", "code")))

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.api or self.code)

    def matches(self, entry: Explanation) -> bool:
        if self.api and entry.api not in (self.api, "*"):
            return False
        if self.code and entry.code != self.code:
            return False
        texts = (entry.code, entry.api, entry.cause_zh, entry.cause_en, entry.fix_zh, entry.fix_en)
        return not self.q or any(self.q.lower() in text.lower() for text in texts)


async def show_catalogue(place: Workplace, missing: Sequence[Unexplained] | None = None) -> Response[str]:
    """Answer with the catalogue; `missing` are codes without an entry, for the platform's people."""
    query = CatalogueQuery.parse(place.request.query_params)
    return await place.show(
        "explain/page.html",
        heading=N_("微信错误码"),
        current=f"{place.base}/explain",
        query=query,
        apis=API,
        entries=[Entry(entry) for entry in all_explanations() if query.matches(entry)],
        missing=missing,
        asked=Explained.of(query.api, query.code) if query.api and query.code else None,
        place_base=place.base,
    )
