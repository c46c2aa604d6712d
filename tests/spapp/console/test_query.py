"""The URL of an order list: what it means, and that its links lead where they say."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from spapp.console.frame.list_query import TRAIL
from spapp.console.orders.query import OrderQuery
from sptenants.orders.filters import Tab

NOW = datetime(2026, 11, 21, 6, 38, tzinfo=UTC)
"""14:38 in Shanghai."""


def query(**given: str) -> OrderQuery:
    return OrderQuery.parse("/console/orders", {key.rstrip("_"): value for key, value in given.items()}, NOW)


def days(shown: OrderQuery) -> tuple[str | None, str | None]:
    begin, end = shown.period
    return begin.isoformat() if begin else None, end.isoformat() if end else None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, ("2026-11-21", "2026-11-22"), id="today when nothing is said"),
        pytest.param({"range": "yesterday"}, ("2026-11-20", "2026-11-21"), id="yesterday"),
        pytest.param({"range": "7d"}, ("2026-11-15", "2026-11-22"), id="seven days with today"),
        pytest.param({"range": "30d"}, ("2026-10-23", "2026-11-22"), id="thirty days with today"),
        pytest.param({"range": "all"}, (None, None), id="all time"),
        pytest.param({"q": "T1"}, (None, None), id="looking for a number is looking everywhere"),
        pytest.param(
            {"q": "T1", "range": "today"}, ("2026-11-21", "2026-11-22"), id="unless a time is named"
        ),
        pytest.param({"from": "2026-11-01"}, ("2026-11-01", None), id="open at the end"),
        pytest.param(
            {"from": "2026-11-01", "to": "2026-11-02", "range": "7d"},
            ("2026-11-01", "2026-11-03"),
            id="named days win over a preset and include the last",
        ),
    ],
)
def test_times_are_shanghai_days(given: dict[str, str], expected: tuple[str | None, str | None]) -> None:
    whole = tuple(f"{day}T00:00:00+08:00" if day else None for day in expected)

    assert days(query(**given)) == whole


def test_today_begins_at_midnight_in_shanghai_not_in_utc() -> None:
    before_midnight_utc = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)  # 01:00 on the 21st

    shown = OrderQuery.parse("/console/orders", {}, before_midnight_utc)

    assert days(shown)[0] == "2026-11-21T00:00:00+08:00"


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"min": "１２"}, id="full-width digits"),
        pytest.param({"min": "1.234"}, id="finer than a fen"),
        pytest.param({"max": "1e3"}, id="exponent"),
        pytest.param({"max": "-1"}, id="below zero"),
        pytest.param({"min": "012"}, id="leading zero"),
        pytest.param({"from": "2026-02-30"}, id="a day that does not exist"),
        pytest.param({"to": "20261121"}, id="another way to write a day"),
    ],
)
def test_what_cannot_be_read_is_named_and_left_out(given: dict[str, str]) -> None:
    shown = query(**given)

    assert len(shown.faults) == 1
    assert next(iter(given.values())) in shown.faults[0].zh
    assert shown.to_filter() == query().to_filter()


def test_amounts_are_yuan_in_the_address_and_fen_in_the_filter() -> None:
    wanted = query(min="12.3", max="9999999.99").to_filter()

    assert (wanted.amount_from, wanted.amount_to) == (1230, 999_999_999)


def test_a_link_keeps_every_other_filter_and_starts_from_the_first_page() -> None:
    shown = query(status="paid", tenant="ten_1", q="T 1&x", cursor="abc", trail="a.b", range="7d")

    link = urlsplit(shown.url(tab=Tab.CLOSED))

    assert link.path == "/console/orders"
    assert dict(parse_qsl(link.query)) == {"status": "closed", "tenant": "ten_1", "q": "T 1&x", "range": "7d"}


def test_paging_back_retraces_every_page_without_remembering_it_on_the_server() -> None:
    pages = [query()]
    for cursor in ("c1", "c2", "c3"):
        pages.append(followed(pages[-1].next_url(cursor)))

    shown = pages[-1]
    for expected in reversed(pages[:-1]):
        shown = followed(shown.previous_url)
        assert shown == expected
    assert shown.previous_url is None


def test_the_address_does_not_grow_without_end() -> None:
    shown = query()
    for step in range(TRAIL * 2):
        shown = followed(shown.next_url(f"c{step}"))

    assert len(shown.trail) == TRAIL


def test_the_comparison_is_with_yesterday_up_to_the_same_time() -> None:
    before = query().day_before()

    assert before is not None
    assert before.created_to == datetime(2026, 11, 20, 6, 38, tzinfo=UTC)
    assert before.created_from == datetime(2026, 11, 19, 16, 0, tzinfo=UTC)
    assert query(range="7d").day_before() is None


def test_a_nul_byte_never_reaches_the_database() -> None:
    assert query(q="T\0").q is None


def followed(url: str | None) -> OrderQuery:
    assert url is not None
    return OrderQuery.parse("/console/orders", dict(parse_qsl(urlsplit(url).query)), NOW)
