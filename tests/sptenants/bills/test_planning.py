"""Which bills a morning asks for: a table of moments (L02)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from sptenants.bills.planning import (
    CHINA,
    DAYS_BACK,
    Known,
    OwnBills,
    Subject,
    bills_due,
    due_at,
    is_premature,
    yesterday,
)
from wechatpay.bills import Account, BillKind, BillWanted
from wechatpay.identifiers import SubMchId

PROVIDER = "prv_01JD3K8W7Q4M6X0B2T9V5H1CZN"
TODAY = date(2026, 11, 21)
YESTERDAY = TODAY - timedelta(days=1)
WEEK = [TODAY - timedelta(days=n) for n in range(DAYS_BACK, 0, -1)]
COFFEE = SubMchId("1600000100")
SPREAD = timedelta(minutes=10)


def subject(**changes: Any) -> Subject:
    fields: dict[str, Any] = {
        "provider_id": PROVIDER,
        "is_active": True,
        "api_version": "v2",
        "since": date(2026, 1, 1),
    }
    return Subject(**(fields | changes))


def at(hour: int, minute: int, day: date = TODAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=CHINA).astimezone(UTC)


def whole(day: date) -> list[BillWanted]:
    return [BillWanted(day, BillKind.TRADE), BillWanted(day, BillKind.FUND, Account.BASIC)]


def fetched(*days: date, when: datetime | None = None, is_under_way: bool = False) -> dict[BillWanted, Known]:
    """Bills of these days, asked for the next noon unless told otherwise."""
    return {
        wanted: Known(when or at(12, 0, day + timedelta(days=1)), is_under_way)
        for day in days
        for wanted in whole(day)
    }


def days_of(due: list[BillWanted]) -> list[date]:
    return sorted({wanted.day for wanted in due})


@pytest.mark.parametrize(
    ("moment", "known", "days"),
    [
        pytest.param(at(9, 59), fetched(*WEEK[:-1]), [], id="09:59 is too early"),
        pytest.param(at(10, 0) + SPREAD, fetched(*WEEK[:-1]), [YESTERDAY], id="after 10:00 yesterday's"),
        pytest.param(at(10, 0) + SPREAD, fetched(*WEEK), [], id="once a day"),
        pytest.param(at(0, 5), fetched(*WEEK[:-1]), [], id="yesterday is not over for WeChat at midnight"),
        pytest.param(at(23, 59), fetched(*WEEK[:-1]), [YESTERDAY], id="late in the evening still"),
        pytest.param(at(11, 0), fetched(*WEEK[:4]), WEEK[4:], id="down for three days"),
        pytest.param(at(9, 0), fetched(*WEEK[:4]), WEEK[4:-1], id="down for three days, back at 9"),
        pytest.param(at(11, 0), {}, WEEK, id="no more than a week back"),
        pytest.param(
            at(11, 0),
            fetched(*WEEK[:-1]) | fetched(YESTERDAY, when=at(23, 0, YESTERDAY)),
            [YESTERDAY],
            id="taken before its day was over",
        ),
        pytest.param(
            at(11, 0),
            fetched(*WEEK[:-1]) | fetched(YESTERDAY, when=at(8, 59)),
            [YESTERDAY],
            id="taken before WeChat had made it",
        ),
        pytest.param(
            at(11, 0),
            fetched(*WEEK[:-1]) | fetched(YESTERDAY, when=at(9, 0)),
            [],
            id="taken as soon as WeChat had made it",
        ),
        pytest.param(
            at(11, 0),
            fetched(*WEEK[:-1]) | fetched(YESTERDAY, when=at(8, 0), is_under_way=True),
            [],
            id="already asked again",
        ),
    ],
)
def test_every_morning_asks_for_the_bills_that_are_missing(
    moment: datetime, known: Mapping[BillWanted, Known], days: list[date]
) -> None:
    due = bills_due(subject(), known, moment)
    assert due == [wanted for day in days for wanted in whole(day)]


def test_providers_are_spread_over_ten_minutes_and_each_keeps_its_minute() -> None:
    moments = {due_at(YESTERDAY, f"prv_{n}") for n in range(200)}
    assert at(10, 0) <= min(moments) < max(moments) < at(10, 0) + SPREAD
    assert len(moments) > 100
    assert due_at(YESTERDAY, PROVIDER) == due_at(YESTERDAY, PROVIDER)
    assert bills_due(subject(), fetched(*WEEK[:-1]), due_at(YESTERDAY, PROVIDER)) == whole(YESTERDAY)
    just_before = due_at(YESTERDAY, PROVIDER) - timedelta(seconds=1)
    assert bills_due(subject(), fetched(*WEEK[:-1]), just_before) == []


def test_nothing_is_asked_for_before_the_provider_was_here() -> None:
    assert days_of(bills_due(subject(since=YESTERDAY), {}, at(11, 0))) == [YESTERDAY]
    assert bills_due(subject(since=TODAY), {}, at(11, 0)) == []


def test_a_suspended_provider_is_asked_for_nothing() -> None:
    assert bills_due(subject(is_active=False), {}, at(11, 0)) == []


def test_a_tenant_with_bills_of_its_own_has_them_fetched_too() -> None:
    own = [OwnBills(COFFEE, since=YESTERDAY)]
    by_v2 = bills_due(subject(own_bills=own), fetched(*WEEK), at(11, 0))
    assert by_v2 == [BillWanted(YESTERDAY, BillKind.TRADE, sub_mch_id=COFFEE)]
    by_v3 = bills_due(subject(own_bills=own, api_version="v3"), fetched(*WEEK), at(11, 0))
    assert by_v3 == [*by_v2, BillWanted(YESTERDAY, BillKind.FUND, Account.BASIC, COFFEE)]


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (datetime(2026, 11, 20, 15, 59, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 20, 16, 0, tzinfo=UTC), date(2026, 11, 20)),
    ],
)
def test_yesterday_is_the_one_of_beijing(moment: datetime, day: date) -> None:
    assert yesterday(moment) == day


def test_a_bill_is_premature_until_nine_of_the_next_day() -> None:
    assert is_premature(YESTERDAY, at(8, 59))
    assert not is_premature(YESTERDAY, at(9, 0))
