"""Rates by tenant (contract section 3, failure catalogue T10, Q01)."""

from __future__ import annotations

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient

from spapp.web import guards
from spapp.web.limits import DEFAULT_SESSION, Limits
from spcore.clock import SystemClock
from spcore.db.engine import Database
from sptenants.registry.door import Door
from sptenants.registry.errors import RateLimited


class Connection:
    """As much of a connection as a limit looks at."""

    def __init__(self) -> None:
        self.scope: dict[str, dict[str, object]] = {"state": {}}


@pytest.fixture
def limits(database: Database) -> Limits:
    return Limits(Door(database, SystemClock()))


def taken(limits: Limits, per_second: int, *key: str) -> bool:
    try:
        limits.take(Connection(), per_second, *key)  # type: ignore[arg-type]
    except RateLimited:
        return False
    return True


def test_T10_a_busy_tenant_is_slowed_and_its_neighbour_is_not(limits: Limits) -> None:
    outcomes = [taken(limits, 5, "server", "ten_busy") for _ in range(100)]
    # A hundred takes well under a second, but it may begin just before a second ends.
    assert 5 <= outcomes.count(True) <= 10
    assert taken(limits, 5, "server", "ten_quiet")


def test_several_processes_share_one_limit(database: Database) -> None:
    limits = Limits(Door(database, SystemClock()), processes=4)
    outcomes = [taken(limits, 200, "server", "ten_1") for _ in range(300)]
    assert 50 <= outcomes.count(True) <= 100


def test_what_is_left_is_told(limits: Limits) -> None:
    connection = Connection()
    limits.take(connection, 10, "server", "ten_1")  # type: ignore[arg-type]
    assert connection.scope["state"]["rate_limit"] == {
        "ratelimit-limit": 10,
        "ratelimit-remaining": 9,
        "ratelimit-reset": 1,
    }


async def test_mini_programs_of_one_tenant_and_address_are_limited_before_anything_is_looked_up(
    client: AsyncTestClient[Litestar],
) -> None:
    answers = [await client.get("/v1/mini/ten_unknown/session") for _ in range(DEFAULT_SESSION * 4)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["code"] == "rate_limited"
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit-remaining"] == "0"
    assert answers[0].headers["ratelimit-limit"] == str(DEFAULT_SESSION)


async def test_Q01_too_many_at_once_are_sent_away_but_wechat_never_is(
    client: AsyncTestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "MOST_IN_FLIGHT", 0)
    busy = await client.get("/login", headers={"accept": "application/json"})
    assert (busy.status_code, busy.json()["code"]) == (503, "overloaded")
    assert busy.headers["retry-after"] == "1"
    notified = await client.post("/notify/wechat/nobody/v2/payment", content=b"<xml></xml>")
    assert notified.status_code == 200
