"""What the order's timeline says of its webhooks (console-and-api-design section 4)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import HeldClock
from tests.support.house import House
from tests.support.post_office import post_office
from tests.support.till import Till, build_till

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.orders.timeline import Entry


@pytest.fixture
async def till(database: Database, clock: HeldClock) -> Till:
    return await build_till(database, clock)


async def entries(till: Till, order_id: str) -> list[Entry]:
    found = (await till.detail(order_id)).timeline
    return [entry for entry in found if entry.kind == "webhook.attempt"]


async def test_first_attempt_and_end_are_told_and_not_every_retry_between(
    till: Till, clock: HeldClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = tuple(caller.scope for caller in till.callers)
    house = House(ProviderScope(till.scope.provider_id), scopes)
    async with post_office(till.database, clock, monkeypatch, house) as office, office.shop() as shop:
        shop.statuses = [500, 500, 500]
        order = await till.placed()
        await till.tell(await till.paid_body(order))
        await office.work_until(clock.now() + timedelta(hours=1))
    success, failure = await entries(till, order.id)
    assert (success.group, success.outcome, success.title.zh) == (
        "webhook",
        "ok",
        "Webhook 第 4 次投递成功 · HTTP 200",
    )
    assert success.title.en == "Webhook delivered, attempt 4 · HTTP 200"
    assert success.meta.zh.startswith("payment.succeeded · shop.example.com · ")
    assert (failure.outcome, failure.title.zh) == ("bad", "Webhook 第 1 次投递失败 · HTTP 500")
    assert failure.meta.zh.endswith("下次 11-21 20:50:05")
    assert failure.meta.en.startswith("the answer was not 2xx · payment.succeeded")


async def test_giving_up_is_told(till: Till, clock: HeldClock, monkeypatch: pytest.MonkeyPatch) -> None:
    scopes = tuple(caller.scope for caller in till.callers)
    house = House(ProviderScope(till.scope.provider_id), scopes)
    async with post_office(till.database, clock, monkeypatch, house) as office:
        await office.register("https://nobody.example.com/")
        order = await till.placed()
        await till.tell(await till.paid_body(order))
        await office.work_until(clock.now() + timedelta(days=4))
    last, first = await entries(till, order.id)
    assert last.title.zh == "Webhook 第 10 次投递失败"
    assert last.meta.zh.endswith("不再重试")
    assert last.meta.zh.startswith("域名无法解析 · payment.succeeded · nobody.example.com")
    assert first.meta.en.endswith("next 11-21 20:50:05")
