"""Platform certificates: fetched, kept side by side, and never asked for more than once a minute (K03)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from tests.spcore.providers.conftest import OWNER, V3_KEY, Bench, public_signer
from tests.support.certificates import rsa_key
from tests.support.fake_key_desk import platform_signer

from spcore.db.engine import Database
from spcore.providers.material import public_key, symmetric_key
from spcore.providers.models import KeyKind
from spcore.providers.platform_certificates import Fetch
from wechatpay.errors import NotSent, UnknownOutcome

PATH = "/v3/certificates"
KIND = KeyKind.PLATFORM_CERTIFICATE


async def serials(bench: Bench) -> set[str]:
    profile = await bench.profile()
    keys = await bench.keyring().v3(profile.id, profile.key_epoch)
    return {key.serial for key in keys.platform}


async def test_K03_the_worker_fetches_the_first_certificates_and_every_keyring_knows_them(
    bench: Bench,
) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    before = (await bench.profile()).key_epoch
    assert await bench.certificates().run_due() == 1
    assert await serials(bench) == {"C1"}
    assert (await bench.profile()).key_epoch == before + 1
    fetch = await bench.certificates().last_fetch(bench.scope)
    assert fetch == Fetch(bench.clock.now(), bench.clock.now(), "fetched", 1)


async def test_K03_a_rotation_keeps_both_and_the_new_one_counts_from_its_date(bench: Bench) -> None:
    await bench.equip()
    now = bench.clock.now()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    new = platform_signer("new", 0xC2, now + timedelta(hours=20), now + timedelta(days=1800))
    bench.desk.offered.append(new)
    bench.clock.advance(hours=12)
    assert await bench.certificates().run_due() == 1
    assert await serials(bench) == {"C1", "C2"}
    profile = await bench.profile()
    keys = (await bench.keyring().v3(profile.id, profile.key_epoch)).platform
    assert keys.of("C2", bench.clock.now()) is None
    assert keys.of("C2", now + timedelta(hours=20)) is not None
    assert keys.of("C1", now + timedelta(hours=20)) is not None
    assert keys.of("C1", now + timedelta(days=365)) is None, "one that has expired verifies nothing"


async def test_K03_asked_every_12_hours_with_the_providers_spread(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    certificates = bench.certificates()
    assert await certificates.run_due() == 1
    bench.clock.advance(hours=10, minutes=59)
    assert await certificates.run_due() == 0
    bench.clock.advance(hours=1, minutes=1)
    assert await certificates.run_due() == 1
    assert bench.desk.asked[PATH] == 2
    assert list((await bench.versions(KIND)).values()) == ["active"], "the same one is not stored again"


async def test_K03_after_a_failure_it_is_asked_hourly_and_says_why(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    bench.desk.faults = [UnknownOutcome("timeout"), NotSent("connect")]
    certificates = bench.certificates()
    with capture_logs() as logs:
        assert await certificates.run_due() == 1
    assert [(row["event"], row["reason"]) for row in logs] == [
        ("platform_certificates.not_fetched", "timeout")
    ]
    bench.clock.advance(minutes=59)
    assert await certificates.run_due() == 0
    bench.clock.advance(minutes=1)
    assert await certificates.run_due() == 1
    last = await certificates.last_fetch(bench.scope)
    assert last is not None
    assert (last.result, last.succeeded_at) == ("connect", None)
    bench.clock.advance(hours=1)
    assert await certificates.run_due() == 1
    assert await serials(bench) == {"C1"}


async def test_a_merchant_number_with_public_keys_only_is_left_alone_for_12_hours(bench: Bench) -> None:
    await bench.equip()
    certificates = bench.certificates()
    with capture_logs() as logs:
        assert await certificates.run_due() == 1
    assert logs == [], "having none is no trouble"
    for _hour in range(11):
        assert await certificates.learn(await bench.profile()) is None
        bench.clock.advance(hours=1)
    assert bench.desk.asked[PATH] == 1
    bench.clock.advance(hours=1)
    assert await certificates.run_due() == 1
    last = await certificates.last_fetch(bench.scope)
    assert last is not None
    assert last.result == "none"


async def test_a_provider_without_the_keys_for_it_is_not_asked_for(bench: Bench) -> None:
    certificates = bench.certificates()
    assert await certificates.run_due() == 0
    assert await certificates.learn(await bench.profile()) is None
    await bench.put(symmetric_key(KeyKind.API_V3, V3_KEY))
    assert await certificates.run_due() == 0
    assert not bench.desk.asked


async def test_K03_an_unknown_serial_brings_the_new_certificate_at_once(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    certificates = bench.certificates()
    await certificates.run_due()
    bench.clock.advance(minutes=5)
    bench.desk.offered.append(bench.platform("new", 0xC2, begins=-0.1, ends=5))
    profile = await bench.profile()
    epoch = await certificates.learn(profile)
    assert epoch == profile.key_epoch + 1
    assert await serials(bench) == {"C1", "C2"}
    assert await certificates.learn(replace(profile, key_epoch=epoch)) is None


async def test_K03_a_flood_of_unknown_serials_over_two_processes_asks_once_a_minute(
    bench: Bench, database_url: str
) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    bench.clock.advance(minutes=2)
    other = Database(database_url)
    try:
        processes = [bench.certificates(), bench.certificates(other)]
        profile = await bench.profile()
        for minute in range(1, 4):
            flood = (process.learn(profile) for process in processes for _ in range(50))
            assert set(await asyncio.gather(*flood)) == {None}
            assert bench.desk.asked[PATH] == 1 + minute
            bench.clock.advance(seconds=61)
    finally:
        await other.close()


async def test_K03_nobody_waits_for_somebody_elses_question(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    certificates = bench.certificates()
    profile = await bench.profile()
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def during() -> None:
        under_way.set()
        await go_on.wait()

    bench.desk.during = during
    first = asyncio.create_task(certificates.learn(profile))
    await under_way.wait()
    assert await asyncio.wait_for(certificates.learn(profile), 1) is None
    assert await asyncio.wait_for(bench.certificates().learn(profile), 1) is None
    # No transaction is open while WeChat is asked (rule T3): with SQLite this write would not return.
    await asyncio.wait_for(bench.put(symmetric_key(KeyKind.API_V2, "W" * 32)), 5)
    go_on.set()
    assert await first == profile.key_epoch + 2


async def test_K03_an_answer_by_an_unknown_certificate_is_learnt_from_without_anybody_waiting(
    bench: Bench,
) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    certificates = bench.certificates()
    for _answer in range(20):
        certificates.suspect(bench.scope.provider_id)
    for _look in range(1000):
        if await serials(bench) == {"C1"}:
            break
        await asyncio.sleep(0.01)
    certificates.suspect(bench.scope.provider_id)
    certificates.suspect("prv_nobody")
    await certificates.close()
    assert bench.desk.asked[PATH] == 1


async def test_K07_a_clock_that_was_a_day_ahead_holds_nothing_up(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    bench.clock.advance(days=1)
    await bench.certificates().run_due()
    bench.clock.advance(days=-1)
    assert await bench.certificates().run_due() == 1
    bench.clock.advance(days=1)
    await bench.certificates().run_due()
    bench.clock.advance(days=-1)
    bench.desk.offered.append(bench.platform("new", 0xC2, begins=-0.1, ends=5))
    assert await bench.certificates().learn(await bench.profile()) is not None
    assert bench.desk.asked[PATH] == 4


async def test_what_another_process_learnt_a_moment_ago_is_told(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    profile = await bench.profile()
    epoch = await bench.certificates().learn(profile)
    assert epoch is not None
    assert await bench.certificates().learn(profile) == epoch
    assert bench.desk.asked[PATH] == 1


async def test_K03_forged_certificates_are_not_believed(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    bench.desk.account(mch_id).v3_key = "X" * 32  # somebody who has not our API v3 key
    await bench.certificates().run_due()
    assert await serials(bench) == set()
    bench.desk.account(mch_id).v3_key = V3_KEY
    # Somebody who could replay the encrypted entry, and signs the answer with a key of his own.
    genuine = bench.desk.offered[0]
    bench.desk.offered = [replace(genuine, key=rsa_key("somebody"))]
    bench.clock.advance(hours=1)
    await bench.certificates().run_due()
    assert await serials(bench) == set()
    last = await bench.certificates().last_fetch(bench.scope)
    assert last is not None
    assert last.result == "bad_signature"


async def test_B_15_one_that_was_ended_by_a_person_does_not_come_back(bench: Bench) -> None:
    await bench.equip()
    signer, pem = public_signer()
    bench.desk.public = signer
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    await bench.put(public_key(signer.serial, pem))
    await bench.candidates.retire(bench.scope, KIND, 1, OWNER, at_once=True)
    bench.clock.advance(hours=12)
    await bench.certificates().run_due()
    assert await bench.versions(KIND) == {1: "retired"}
    assert await serials(bench) == {signer.serial}
    await bench.candidates.restore(bench.scope, KIND, 1, OWNER)
    assert await serials(bench) == {signer.serial, "C1"}


async def test_C6_no_answer_of_wechats_stands_in_log_or_row(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    with capture_logs() as logs:
        await bench.certificates().run_due()
    told = f"{logs}{capsys.readouterr()}"
    pem = bench.desk.offered[0].pem or b""
    assert V3_KEY not in told
    assert pem.decode() not in told
    assert base64.b64encode(pem).decode() not in told
    assert [(row["event"], row["serial"]) for row in logs] == [("platform_certificates.learnt", "C1")]
