"""Agreed rates: from a day on until the next one, audited, of one tenant."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select
from tests.support.statement_rows import provider_of
from tests.support.till import FACTS, Till, build_till

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import InvalidInput
from sptenants.reconciliation.rates import AgreedRates, put_from_today, rate_faults
from wechatpay.bills import Rate

PERSON = Actor("person", "per_1", "李会计")
TODAY = date(2026, 11, 21)
LOW, HIGH = Rate.parse("0.38%"), Rate.parse("0.60%")


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till(database, clock)


@pytest.fixture
def rates(till: Till) -> AgreedRates:
    return AgreedRates(till.database, till.clock)


async def audited(till: Till) -> list[AuditRow]:
    async with till.database.read(provider_of(till)) as session:
        rows = await session.scalars(select(AuditRow).where(AuditRow.chain == till.scope.provider_id))
        return list(rows)


async def test_a_rate_holds_from_its_day_until_the_next_one(till: Till, rates: AgreedRates) -> None:
    assert await rates.on(till.scope, TODAY) is None
    for day, rate in ((TODAY - timedelta(days=30), HIGH), (TODAY + timedelta(days=3), LOW)):
        assert await rates.set(till.scope, day, rate, PERSON, FACTS)
    days = (-31, -30, 0, 2, 3, 300)
    found = [await rates.on(till.scope, TODAY + timedelta(days=away)) for away in days]
    assert found == [None, HIGH, HIGH, HIGH, LOW, LOW]
    assert [(row.from_date, row.rate, row.set_by) for row in await rates.history(till.scope)] == [
        (TODAY + timedelta(days=3), LOW, "李会计"),
        (TODAY - timedelta(days=30), HIGH, "李会计"),
    ]
    assert await rates.history(till.callers[1].scope) == []
    assert await rates.on(till.callers[1].scope, TODAY) is None


async def test_A06_a_rate_of_the_same_day_is_replaced_and_audited_once(
    till: Till, rates: AgreedRates
) -> None:
    assert await rates.set(till.scope, TODAY, HIGH, PERSON, FACTS)
    assert not await rates.set(till.scope, TODAY, HIGH, PERSON, FACTS)
    assert await rates.set(till.scope, TODAY, LOW, PERSON, FACTS)
    assert [row.rate for row in await rates.history(till.scope)] == [LOW]
    first, second = await audited(till)
    assert (first.action, first.tenant_id, first.before, first.after) == (
        "rate.agreed",
        till.scope.tenant_id,
        None,
        {"rate": "0.60%", "from_date": "2026-11-21"},
    )
    assert (second.before, second.request_id) == ({"rate": "0.60%"}, "req_1")


@pytest.mark.parametrize(
    ("day", "rate", "pointer"),
    [
        (TODAY + timedelta(days=367), "0.60%", "#/from_date"),
        (TODAY - timedelta(days=367), "0.60%", "#/from_date"),
        (TODAY, "10.01%", "#/rate"),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    till: Till, rates: AgreedRates, day: date, rate: str, pointer: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await rates.set(till.scope, day, Rate.parse(rate), PERSON)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    assert await rates.history(till.scope) == []


@pytest.mark.parametrize(
    "text", ["", "0.6", "0.60 %", "０.60%", "-0.60%", "0.60001%", "60%", "99.9999%", "1e1%"]
)
def test_a_rate_is_written_one_way(text: str) -> None:
    assert [fault.pointer for fault in rate_faults(text, "#/rate")] == ["#/rate"]


@pytest.mark.parametrize("text", ["0%", "0.60%", "0.6%", "10.00%", "0.3825%"])
def test_rates_that_people_agree_upon_are_taken(text: str) -> None:
    assert rate_faults(text, "#/rate") == []


async def test_a_file_agrees_from_today_on_and_says_nothing_twice(till: Till, rates: AgreedRates) -> None:
    await rates.set(till.scope, TODAY - timedelta(days=9), HIGH, PERSON)
    for rate, changes in ((HIGH, False), (LOW, True), (LOW, False)):
        async with till.database.write(till.scope) as session:
            assert await put_from_today(session, till.scope, rate, PERSON, till.clock.now()) is changes
    assert [(row.from_date, row.rate) for row in await rates.history(till.scope)] == [
        (TODAY, LOW),
        (TODAY - timedelta(days=9), HIGH),
    ]
