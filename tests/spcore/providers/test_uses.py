"""Which key was met when (B-15), and what that does to a replaced API v3 key (K02)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event
from tests.spcore.providers.conftest import OWNER, V3_KEY, Bench
from tests.support.tampering import execute_unguarded

from spcore.db.engine import Database
from spcore.providers.material import symmetric_key
from spcore.providers.models import KeyKind
from spcore.providers.uses import KeyUses


def uses_of(bench: Bench, database: Database | None = None) -> KeyUses:
    return KeyUses(database or bench.database, bench.clock)


async def test_uses_are_counted_without_a_statement_and_written_together(bench: Bench) -> None:
    uses, provider_id = uses_of(bench), bench.scope.provider_id
    statements: list[str] = []
    for engine in bench.database.engines:
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(100):
        uses.note(provider_id, "answer", KeyKind.PLATFORM_CERTIFICATE, "C1")
    uses.note(provider_id, "notification", KeyKind.WECHATPAY_PUBLIC_KEY, "PUB_KEY_ID_1")
    assert statements == []
    assert await uses.flush() == 2
    assert sum("key_uses" in statement for statement in statements) == 1
    assert await uses.flush() == 0
    found = await uses.uses(bench.scope, bench.clock.now())
    assert [(use.channel, use.name, use.uses) for use in found] == [
        ("answer", "C1", 100),
        ("notification", "PUB_KEY_ID_1", 1),
    ]


async def test_B15_processes_add_up_by_the_hour(bench: Bench) -> None:
    one, other = uses_of(bench), uses_of(bench)
    began = bench.clock.now()
    for hours in (0, 1, 24):
        bench.clock.moment = began + timedelta(hours=hours)
        for process in (one, other):
            process.note(bench.scope.provider_id, "answer", KeyKind.PLATFORM_CERTIFICATE, "C1")
            await process.flush()
    found = await one.uses(bench.scope, began)
    assert [(use.hour.hour, use.uses) for use in found] == [(12, 2), (13, 2), (12, 2)]
    assert found[-1].last_at == bench.clock.now()
    assert len(await one.uses(bench.scope, bench.clock.now() - timedelta(hours=23))) == 2


async def test_what_cannot_be_written_is_kept_for_the_next_time(bench: Bench, database_url: str) -> None:
    uses = uses_of(bench)
    uses.note(bench.scope.provider_id, "answer", KeyKind.PLATFORM_CERTIFICATE, "C1")
    await execute_unguarded(database_url, "ALTER TABLE key_uses RENAME TO away")
    with pytest.raises(Exception, match="key_uses"):
        await uses.flush()
    uses.note(bench.scope.provider_id, "answer", KeyKind.PLATFORM_CERTIFICATE, "C1")
    await execute_unguarded(database_url, "ALTER TABLE away RENAME TO key_uses")
    assert await uses.flush() == 1
    assert [use.uses for use in await uses.uses(bench.scope, bench.clock.now())] == [2]


async def test_K02_a_replaced_v3_key_that_is_used_lives_7_days_more_from_each_day_of_use(
    bench: Bench,
) -> None:
    await bench.put(symmetric_key(KeyKind.API_V3, V3_KEY))
    await bench.put(symmetric_key(KeyKind.API_V3, "M" * 32))
    uses, provider_id, epoch = uses_of(bench), bench.scope.provider_id, (await bench.profile()).key_epoch

    async def ends() -> timedelta:
        found = next(row for row in await bench.keys.versions(bench.scope) if row.version == 1)
        assert found.verify_until is not None
        return found.verify_until - bench.clock.now()

    bench.clock.advance(days=6)
    for _second in range(5):
        bench.clock.advance(seconds=10)
        uses.note(provider_id, "notification", KeyKind.API_V3, "1")
        uses.note(provider_id, "notification", KeyKind.API_V3, "2")
        await uses.flush()
    assert timedelta(days=6, hours=23) < await ends() <= timedelta(days=7)
    assert (await bench.profile()).key_epoch == epoch + 1, "once a day at most"
    profile = await bench.profile()
    bench.clock.advance(days=6, hours=23)
    keys = await bench.keyring().v3(profile.id, profile.key_epoch)
    assert [key.version for key in keys.opening(bench.clock.now())] == [2, 1]
    bench.clock.advance(hours=1)
    assert [key.version for key in keys.opening(bench.clock.now())] == [2]
    # A use that is written down late does not bring back what has ended.
    uses.note(provider_id, "notification", KeyKind.API_V3, "1")
    await uses.flush()
    assert (await bench.profile()).key_epoch == epoch + 1


async def test_the_use_of_a_candidate_or_of_the_key_in_use_moves_nothing(bench: Bench) -> None:
    await bench.put(symmetric_key(KeyKind.API_V3, V3_KEY))
    await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V3, "M" * 32), OWNER)
    uses, before = uses_of(bench), await bench.keys.versions(bench.scope)
    epoch = (await bench.profile()).key_epoch
    for version in ("1", "2"):
        uses.note(bench.scope.provider_id, "notification", KeyKind.API_V3, version)
    assert await uses.flush() == 2
    assert await bench.keys.versions(bench.scope) == before
    assert (await bench.profile()).key_epoch == epoch


async def test_uses_are_forgotten_after_90_days(bench: Bench) -> None:
    uses = uses_of(bench)
    began = bench.clock.now()
    for days in (0, 60):
        bench.clock.moment = began + timedelta(days=days)
        uses.note(bench.scope.provider_id, "answer", KeyKind.PLATFORM_CERTIFICATE, "C1")
        await uses.flush()
    bench.clock.moment = began + timedelta(days=91)
    await uses.forget_old()
    assert [use.hour.day for use in await uses.uses(bench.scope, began)] == [20]
