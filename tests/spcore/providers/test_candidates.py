"""Candidates of keys, their promotion and the way back (B-13), and how long replaced keys count (K01-K04)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from tests.spcore.providers.conftest import OWNER, V2_KEY, V3_KEY, Bench, public_signer
from tests.support.tampering import dump

from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.errors import InvalidInput, NotFound
from spcore.ids import new_id
from spcore.providers.errors import KeyChangeRefused, ProviderNotReady
from spcore.providers.material import public_key, symmetric_key
from spcore.providers.models import KeyKind, KeyRehearsal

NEW_V2, NEW_V3 = "N" * 32, "M" * 32


async def rehearsed(bench: Bench, kind: KeyKind, version: int, result: str = "passed") -> None:
    """Store the report of a rehearsal that was run now."""
    now = bench.clock.now()
    row = {
        "provider_id": bench.scope.provider_id,
        "id": new_id("reh", now),
        "kind": kind.value,
        "version": version,
        "tried": 0,
        "passed": 0,
        "asked": "accepted",
        "result": result,
        "facts": {},
        "ran_by": "王老板",
        "ran_at": now,
    }
    async with bench.database.write(bench.scope) as session:
        await session.execute(insert(table_of(KeyRehearsal)), [row])


async def acts(bench: Bench) -> Sequence[AuditRow]:
    query = select(AuditRow).where(AuditRow.chain == bench.scope.provider_id).order_by(AuditRow.seq)
    async with bench.database.read(bench.scope) as session:
        return (await session.scalars(query)).all()


async def v2_verifying(bench: Bench) -> list[str]:
    profile = await bench.profile()
    keys = await bench.keyring().v2(profile.id, profile.key_epoch)
    return [key.secret for key in keys.verifying(bench.clock.now())]


async def v3_opening(bench: Bench) -> list[str]:
    profile = await bench.profile()
    keys = await bench.keyring().v3(profile.id, profile.key_epoch)
    return [key.secret for key in keys.still_opening(bench.clock.now())]


async def test_B13_a_candidate_verifies_and_opens_for_two_days_and_signs_nothing(bench: Bench) -> None:
    mch_id = await bench.equip()
    warm, profile = bench.keyring(), await bench.profile()
    await warm.v2(profile.id, profile.key_epoch)
    for material in (
        symmetric_key(KeyKind.API_V2, NEW_V2),
        symmetric_key(KeyKind.API_V3, NEW_V3),
        bench.pair(mch_id, "second", 0xA2),
    ):
        assert await bench.candidates.put(bench.scope, material, OWNER, proven=True) == 2
    assert await bench.versions(KeyKind.API_V2) == {1: "active", 2: "candidate"}
    profile = await bench.profile()
    keys = await warm.v2(profile.id, profile.key_epoch)
    assert keys.signing.secret == V2_KEY
    assert await v2_verifying(bench) == [V2_KEY, NEW_V2]
    assert await v3_opening(bench) == [V3_KEY, NEW_V3]
    assert (await bench.keyring().certificate(profile.id, profile.key_epoch)).serial == "A1"
    bench.clock.advance(hours=48)
    assert [key.secret for key in keys.verifying(bench.clock.now())] == [V2_KEY]
    assert await v3_opening(bench) == [V3_KEY]
    again = symmetric_key(KeyKind.API_V2, NEW_V2)
    assert await bench.candidates.put(bench.scope, again, OWNER, proven=True) == 2
    assert await v2_verifying(bench) == [V2_KEY, NEW_V2]
    await bench.candidates.discard(bench.scope, KeyKind.API_V2, 2, OWNER)
    assert await v2_verifying(bench) == [V2_KEY]


async def test_A07_nobody_can_have_messages_believed_by_handing_in_a_key_of_his_own(bench: Bench) -> None:
    await bench.equip()
    signer, pem = public_signer()
    await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    await bench.candidates.put(bench.scope, public_key(signer.serial, pem), OWNER)
    await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V3, NEW_V3), OWNER)
    assert await v2_verifying(bench) == [V2_KEY]
    assert await v3_opening(bench) == [V3_KEY, NEW_V3], "it opens only what WeChat has signed"
    profile = await bench.profile()
    assert not len((await bench.keyring().v3(profile.id, profile.key_epoch)).platform)
    # Once WeChat takes it, it is WeChat's.
    bench.desk.account(profile.mch_id).v2_key = NEW_V2
    assert (await bench.rehearsals().rehearse(bench.scope, KeyKind.API_V2, 2, OWNER)).result == "passed"
    assert await v2_verifying(bench) == [V2_KEY, NEW_V2]


async def test_B13_a_public_key_on_its_way_in_or_out_verifies_and_nothing_is_encrypted_for_it(
    bench: Bench,
) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    kind = KeyKind.WECHATPAY_PUBLIC_KEY
    signer, pem = public_signer()

    async def preferred() -> str | None:
        profile = await bench.profile()
        keys = (await bench.keyring().v3(profile.id, profile.key_epoch)).platform
        assert keys.of(signer.serial, bench.clock.now()) is not None
        found = keys.preferred(bench.clock.now())
        return None if found is None else found.serial

    material = public_key(signer.serial, pem)
    version = await bench.candidates.put(bench.scope, material, OWNER, proven=True)
    assert await preferred() == "C1"
    await bench.candidates.promote(bench.scope, kind, version, OWNER, despite="演示")
    assert await preferred() == signer.serial
    await bench.candidates.retire(bench.scope, kind, version, OWNER)
    assert await preferred() == "C1", "the way back to certificates (B-15)"
    await bench.candidates.restore(bench.scope, kind, version, OWNER)
    assert await preferred() == signer.serial


async def test_B13_the_next_candidate_replaces_the_one_before_and_its_secret_is_gone(
    bench: Bench, database_url: str
) -> None:
    await bench.equip()
    first = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    await rehearsed(bench, KeyKind.API_V2, first)
    second = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, "P" * 32), OWNER)
    assert await bench.versions(KeyKind.API_V2) == {1: "active", 2: "retired", 3: "candidate"}
    with pytest.raises(KeyChangeRefused):  # the rehearsal was of another version
        await bench.candidates.promote(bench.scope, KeyKind.API_V2, second, OWNER)
    await bench.candidates.discard(bench.scope, KeyKind.API_V2, second, OWNER)
    assert (await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, "Q" * 32), OWNER)) == 4
    for gone in (first, second):
        with pytest.raises(NotFound):
            await bench.candidates.promote(bench.scope, KeyKind.API_V2, gone, OWNER, despite="x")
    assert NEW_V2.encode() not in await dump(database_url)


async def test_what_is_in_use_already_is_no_candidate(bench: Bench) -> None:
    await bench.equip()
    with pytest.raises(InvalidInput) as refusal:
        await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V3, V3_KEY), OWNER)
    assert [(fault.pointer, fault.code) for fault in refusal.value.faults] == [
        ("#/api_v3_key", "already_active")
    ]


async def test_B13_only_a_rehearsal_that_passed_within_30_minutes_lets_a_candidate_in(bench: Bench) -> None:
    await bench.equip()
    kind = KeyKind.API_V2
    version = await bench.candidates.put(bench.scope, symmetric_key(kind, NEW_V2), OWNER)

    async def is_refused() -> bool:
        try:
            await bench.candidates.promote(bench.scope, kind, version, OWNER)
        except KeyChangeRefused:
            return True
        return False

    assert await is_refused()
    await rehearsed(bench, kind, version, "unclear")
    assert await is_refused()
    await rehearsed(bench, kind, version)
    bench.clock.advance(seconds=1)
    await rehearsed(bench, kind, version, "failed")
    assert await is_refused(), "the last one counts"
    bench.clock.advance(seconds=1)
    await rehearsed(bench, kind, version)
    bench.clock.advance(minutes=30)
    assert await is_refused()
    await rehearsed(bench, kind, version)
    bench.clock.advance(minutes=29)
    assert not await is_refused()
    assert await bench.versions(kind) == {1: "retiring", 2: "active"}


async def test_B13_a_key_is_handed_in_rehearsed_and_promoted(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.account(mch_id).v2_key = NEW_V2
    version = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    told = await bench.rehearsals().rehearse(bench.scope, KeyKind.API_V2, version, OWNER)
    assert told.result == "passed"
    await bench.candidates.promote(bench.scope, KeyKind.API_V2, version, OWNER)
    assert [act.action for act in await acts(bench)][-3:] == [
        "provider.key_candidate_set",
        "provider.key_rehearsed",
        "provider.key_promoted",
    ]


async def test_B13_going_on_without_a_rehearsal_needs_a_reason_that_is_written_down(bench: Bench) -> None:
    await bench.equip()
    version = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    for blank in ("", "  "):
        with pytest.raises(KeyChangeRefused):
            await bench.candidates.promote(bench.scope, KeyKind.API_V2, version, OWNER, despite=blank)
    await bench.candidates.promote(bench.scope, KeyKind.API_V2, version, OWNER, despite="密钥已泄露")
    last = (await acts(bench))[-1]
    assert (last.action, last.reason, last.actor_name) == ("provider.key_promoted", "密钥已泄露", "王老板")
    assert (last.request_id, last.peer) == ("req_1", "198.51.100.7")
    assert last.before == {"kind": "api_v2_key", "active": [1]}
    assert last.after == {"kind": "api_v2_key", "version": 2, "label": None, "rehearsed": False}


async def test_K01_after_promotion_both_v2_keys_verify_for_48_hours_then_only_the_new_one(
    bench: Bench,
) -> None:
    await bench.equip()
    version = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    warm, profile = bench.keyring(), await bench.profile()
    await warm.v2(profile.id, profile.key_epoch)
    await bench.candidates.promote(bench.scope, KeyKind.API_V2, version, OWNER, despite="演示")
    assert await v2_verifying(bench) == [NEW_V2, V2_KEY]
    profile = await bench.profile()
    both = await warm.v2(profile.id, profile.key_epoch)
    assert both.signing.secret == NEW_V2
    bench.clock.advance(hours=48)
    assert [key.secret for key in both.verifying(bench.clock.now())] == [NEW_V2], "in a warm process too"
    assert await v2_verifying(bench) == [NEW_V2]


async def test_B13_rolling_back_is_one_step_and_can_be_taken_back(bench: Bench) -> None:
    await bench.equip()
    kind = KeyKind.API_V2
    with pytest.raises(KeyChangeRefused):
        await bench.candidates.roll_back(bench.scope, kind, OWNER)
    version = await bench.candidates.put(bench.scope, symmetric_key(kind, NEW_V2), OWNER)
    await bench.candidates.promote(bench.scope, kind, version, OWNER, despite="演示")
    bench.clock.advance(hours=47)
    assert await bench.candidates.roll_back(bench.scope, kind, OWNER, "商户平台未生效") == 1
    assert await bench.versions(kind) == {1: "active", 2: "retiring"}
    assert await v2_verifying(bench) == [V2_KEY, NEW_V2]
    last = (await acts(bench))[-1]
    assert (last.action, last.reason) == ("provider.key_rolled_back", "商户平台未生效")
    assert await bench.candidates.roll_back(bench.scope, kind, OWNER) == 2
    assert await v2_verifying(bench) == [NEW_V2, V2_KEY]
    bench.clock.advance(hours=48)
    with pytest.raises(KeyChangeRefused):
        await bench.candidates.roll_back(bench.scope, kind, OWNER)


async def test_K02_a_replaced_v3_key_opens_until_it_was_unused_for_7_days(bench: Bench) -> None:
    await bench.equip()
    await bench.put(symmetric_key(KeyKind.API_V3, NEW_V3))
    assert await v3_opening(bench) == [NEW_V3, V3_KEY]
    bench.clock.advance(days=7, seconds=-1)
    assert await v3_opening(bench) == [NEW_V3, V3_KEY]
    bench.clock.advance(seconds=1)
    assert await v3_opening(bench) == [NEW_V3]


async def test_K05_the_old_certificate_no_longer_signs_and_comes_back_by_rolling_back(bench: Bench) -> None:
    mch_id = await bench.equip()
    kind = KeyKind.CLIENT_CERTIFICATE
    version = await bench.candidates.put(bench.scope, bench.pair(mch_id, "second", 0xA2), OWNER)
    await rehearsed(bench, kind, version)
    await bench.candidates.promote(bench.scope, kind, version, OWNER)
    profile = await bench.profile()
    keys = await bench.keyring().v3(profile.id, profile.key_epoch)
    assert keys.introducing(bench.clock.now()).serial == "A2"
    assert (await bench.keyring().certificate(profile.id, profile.key_epoch)).serial == "A2"
    await bench.candidates.roll_back(bench.scope, kind, OWNER)
    profile = await bench.profile()
    assert (await bench.keyring().certificate(profile.id, profile.key_epoch)).serial == "A1"


async def test_K05_a_certificate_that_expired_since_cannot_be_promoted(bench: Bench) -> None:
    mch_id = await bench.equip()
    version = await bench.candidates.put(bench.scope, bench.pair(mch_id, "second", 0xA2), OWNER)
    bench.clock.advance(days=365)
    with pytest.raises(KeyChangeRefused):
        await bench.candidates.promote(bench.scope, KeyKind.CLIENT_CERTIFICATE, version, OWNER, despite="急")


async def test_K04_public_keys_and_certificates_stand_side_by_side_until_one_is_ended(bench: Bench) -> None:
    await bench.equip()
    kind = KeyKind.WECHATPAY_PUBLIC_KEY
    (one, one_pem), (two, two_pem) = public_signer(), public_signer("other", "PUB_KEY_ID_2")
    await bench.put(public_key(one.serial, one_pem))
    version = await bench.candidates.put(bench.scope, public_key(two.serial, two_pem), OWNER)
    await rehearsed(bench, kind, version)
    await bench.candidates.promote(bench.scope, kind, version, OWNER)
    assert await bench.versions(kind) == {1: "active", 2: "active"}
    await bench.candidates.retire(bench.scope, kind, 1, OWNER)
    profile = await bench.profile()
    keys = (await bench.keyring().v3(profile.id, profile.key_epoch)).platform
    last_moment = bench.clock.now() + timedelta(hours=48, seconds=-1)
    assert keys.of(one.serial, last_moment) is not None
    assert keys.of(one.serial, last_moment + timedelta(seconds=1)) is None
    with pytest.raises(KeyChangeRefused):
        await bench.candidates.retire(bench.scope, kind, 2, OWNER)
    await bench.candidates.retire(bench.scope, kind, 1, OWNER)
    assert await bench.versions(kind) == {1: "retired", 2: "active"}


async def test_a_key_of_ours_in_use_cannot_be_ended_and_a_replaced_one_can(bench: Bench) -> None:
    await bench.equip()
    for kind in (KeyKind.API_V2, KeyKind.API_V3, KeyKind.CLIENT_CERTIFICATE):
        with pytest.raises(KeyChangeRefused):
            await bench.candidates.retire(bench.scope, kind, 1, OWNER, at_once=True)
    await bench.put(symmetric_key(KeyKind.API_V3, NEW_V3))
    await bench.candidates.retire(bench.scope, KeyKind.API_V3, 1, OWNER, reason="旧密钥泄露")
    assert await v3_opening(bench) == [NEW_V3]
    assert (await acts(bench))[-1].reason == "旧密钥泄露"
    for kind, version in ((KeyKind.API_V3, 1), (KeyKind.API_V3, 9), (KeyKind.PLATFORM_CERTIFICATE, 1)):
        with pytest.raises(NotFound):
            await bench.candidates.retire(bench.scope, kind, version, OWNER)
        with pytest.raises(NotFound):
            await bench.candidates.restore(bench.scope, kind, version, OWNER)


async def test_a_public_key_that_was_given_up_as_candidate_cannot_be_restored(bench: Bench) -> None:
    signer, pem = public_signer()
    version = await bench.candidates.put(bench.scope, public_key(signer.serial, pem), OWNER)
    kind = KeyKind.WECHATPAY_PUBLIC_KEY
    await bench.candidates.discard(bench.scope, kind, version, OWNER)
    with pytest.raises(NotFound):
        await bench.candidates.restore(bench.scope, kind, version, OWNER)
    with pytest.raises(NotFound):
        await bench.candidates.discard(bench.scope, kind, version, OWNER)


async def test_two_people_at_once_promote_one_candidate_once(bench: Bench) -> None:
    await bench.equip()
    version = await bench.candidates.put(bench.scope, symmetric_key(KeyKind.API_V2, NEW_V2), OWNER)
    tries = (
        bench.candidates.promote(bench.scope, KeyKind.API_V2, version, OWNER, despite="x") for _ in range(4)
    )
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["NoneType", "NotFound", "NotFound", "NotFound"]
    assert await bench.versions(KeyKind.API_V2) == {1: "retiring", 2: "active"}
    promoted = [act for act in await acts(bench) if act.action == "provider.key_promoted"]
    assert len(promoted) == 1


async def test_a_provider_without_any_key_of_v3_is_asked_for_once(bench: Bench) -> None:
    keyring, profile = bench.keyring(), await bench.profile()
    for _ in range(3):
        keys = await keyring.v3(profile.id, profile.key_epoch)
        with pytest.raises(ProviderNotReady):
            keys.signing(bench.clock.now())
    assert keyring.loads == 1
    await bench.equip()
    profile = await bench.profile()
    assert (await keyring.v3(profile.id, profile.key_epoch)).still_opening(bench.clock.now())
