"""A rehearsal tries a candidate against what came in and by one question to WeChat (B-13, pains 7, 9, 21)."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.spcore.providers.conftest import ECHO_URL, OWNER, V2_KEY, V3_KEY, Bench, public_signer
from tests.support.databases import sqlite_url
from tests.support.tampering import dump

from spcore.errors import NotFound
from spcore.providers.material import KeyMaterial, public_key, symmetric_key
from spcore.providers.models import KeyKind
from spcore.providers.rehearsal import Rehearsal
from spcore.providers.samples import Sample
from spcore.providers.trying import Outcome
from wechatpay.credentials import SignType, V2Key
from wechatpay.errors import NotSent
from wechatpay.v2 import envelope, signing

NEW_V2, NEW_V3 = "N" * 32, "M" * 32


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is rehearsed is the same on every database; storing it is tried with the candidates."""
    return sqlite_url(tmp_path)


def v2_payment(bench: Bench, number: str, secret: str, sign_type: SignType) -> Sample:
    """Return a stored payment notification of API v2."""
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": "wx0000000000000001",
        "mch_id": "1900000101",
        "sub_mch_id": "1600000100",
        "nonce_str": "n" * 32,
        "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "total_fee": "1",
        "cash_fee": "1",
        "transaction_id": "4200000000202611210000000001",
        "out_trade_no": f"T2026112100000{number[-1]}",
        "time_end": "20261121205000",
    }
    signed = {**fields, "sign": signing.sign(fields, V2Key(1, secret), sign_type)}
    return Sample(number, "payment", bench.clock.now(), envelope.build(signed), sign_type=sign_type)


async def rehearse(bench: Bench, material: KeyMaterial) -> Rehearsal:
    version = await bench.candidates.put(bench.scope, material, OWNER)
    return await bench.rehearsals().rehearse(bench.scope, material.kind, version, OWNER)


async def test_B13_a_v2_key_that_wechat_knows_passes_and_old_notifications_are_no_failures(
    bench: Bench,
) -> None:
    mch_id = await bench.equip()
    for number in ("ntf_1", "ntf_2"):
        bench.journal.v2.append(v2_payment(bench, number, V2_KEY, SignType.HMAC_SHA256))
    bench.journal.v2.append(v2_payment(bench, "ntf_3", NEW_V2, SignType.MD5))
    bench.journal.v2.append(v2_payment(bench, "ntf_4", "Z" * 32, SignType.MD5))
    bench.journal.v2.append(Sample("ntf_5", "payment", bench.clock.now(), b"<xml>"))
    bench.desk.account(mch_id).v2_key = NEW_V2
    told = await rehearse(bench, symmetric_key(KeyKind.API_V2, NEW_V2))
    assert (told.tried, told.passed, told.old) == (5, 1, 2)
    assert dict(told.samples) == {
        "ntf_5": Outcome.NEITHER,
        "ntf_4": Outcome.NEITHER,
        "ntf_3": Outcome.PASSED,
        "ntf_2": Outcome.OLD,
        "ntf_1": Outcome.OLD,
    }
    assert (told.result, told.answer.asked, told.answer.code) == ("passed", "accepted", "ORDERNOTEXIST")
    assert await bench.rehearsals().last(bench.scope, KeyKind.API_V2, told.version) == told
    await bench.candidates.promote(bench.scope, KeyKind.API_V2, told.version, OWNER)
    assert await bench.versions(KeyKind.API_V2) == {1: "retiring", 2: "active"}


async def test_B13_a_key_that_wechat_does_not_know_fails_and_stays_out(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    for kind, secret in ((KeyKind.API_V2, NEW_V2), (KeyKind.API_V3, NEW_V3)):
        told = await rehearse(bench, symmetric_key(kind, secret))
        assert (told.result, told.answer.asked, told.looks_like) == ("failed", "refused", None)


async def test_pain_21_the_v2_key_in_the_place_of_the_v3_key_is_named_and_the_reverse(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    bench.desk.account(mch_id).v2_key = NEW_V2
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V2))
    assert (told.result, told.looks_like) == ("failed", KeyKind.API_V2)
    bench.desk.account(mch_id).v3_key = NEW_V3
    told = await rehearse(bench, symmetric_key(KeyKind.API_V2, NEW_V3))
    assert (told.result, told.looks_like) == ("failed", KeyKind.API_V3)
    assert (await bench.rehearsals().last(bench.scope, KeyKind.API_V2, told.version)) == told


async def test_B13_wechat_out_of_reach_is_unclear_and_a_new_notification_decides(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    bench.take_in(mch_id, bench.desk.offered[0], "ntf_1")
    bench.desk.faults = [NotSent("connect"), NotSent("connect")]
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    assert (told.result, told.answer.asked, told.passed, told.old) == ("unclear", "unclear", 0, 1)
    bench.desk.account(mch_id).v3_key = NEW_V3
    bench.take_in(mch_id, bench.desk.offered[0], "ntf_2")
    bench.desk.faults = [NotSent("connect"), NotSent("connect")]
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    assert (told.result, told.passed, told.old) == ("passed", 1, 1)


async def test_A07_a_notification_of_ones_own_making_proves_no_v2_key(bench: Bench) -> None:
    await bench.equip()
    bench.journal.v2.append(v2_payment(bench, "ntf_1", NEW_V2, SignType.MD5))
    bench.desk.faults = [NotSent("connect")]
    told = await rehearse(bench, symmetric_key(KeyKind.API_V2, NEW_V2))
    assert (told.result, told.answer.asked, told.passed) == ("unclear", "unclear", 1)


async def test_B13_a_v3_key_is_proven_by_the_certificates_it_opens(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    bench.desk.account(mch_id).v3_key = NEW_V3
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    assert (told.result, told.answer.question) == ("passed", "certificates")


@pytest.mark.parametrize(
    ("at_wechat", "asked", "code"), [(NEW_V3, "accepted", ""), (V3_KEY, "refused", "present_key")]
)
async def test_B13_without_certificates_a_message_sent_back_proves_the_v3_key(
    bench: Bench, at_wechat: str, asked: str, code: str
) -> None:
    mch_id = await bench.equip()
    signer, pem = public_signer()
    bench.desk.public = signer
    await bench.put(public_key(signer.serial, pem))
    bench.desk.account(mch_id).v3_key = at_wechat

    async def on_echo(message: str, notify_url: str) -> None:
        assert notify_url == ECHO_URL
        assert message.startswith("ech_")
        bench.take_in(mch_id, signer, "ntf_echo", "security")

    bench.desk.on_echo = on_echo
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    assert (told.answer.question, told.answer.asked, told.answer.code) == ("echo", asked, code)
    assert bench.slept == [0.5]


async def test_B13_a_message_that_never_comes_back_is_unclear_after_8_seconds(bench: Bench) -> None:
    await bench.equip()
    signer, pem = public_signer()
    bench.desk.public = signer
    await bench.put(public_key(signer.serial, pem))
    told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    assert (told.result, told.answer.code, sum(bench.slept)) == ("unclear", "no_notification", 8.0)


async def test_B13_a_certificate_is_tried_by_signing_with_it(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    told = await rehearse(bench, bench.pair(mch_id, "second", 0xA2))
    assert (told.result, told.answer.question, told.tried) == ("passed", "certificates", 0)
    told = await rehearse(bench, bench.pair(mch_id, "third", 0xA3, known=False))
    assert (told.result, told.answer.code) == ("failed", "SIGNERROR")
    bench.desk.offered = []
    told = await rehearse(bench, bench.pair(mch_id, "fourth", 0xA4))
    assert (told.result, told.answer.code) == ("passed", "RESOURCE_NOT_EXISTS")


async def test_B13_a_provider_of_v2_shows_the_certificate_where_refunds_do(bench: Bench) -> None:
    mch_id = (await bench.profile()).mch_id
    bench.desk.account(mch_id).v2_key = V2_KEY
    await bench.put(symmetric_key(KeyKind.API_V2, V2_KEY))
    told = await rehearse(bench, bench.pair(mch_id))
    assert (told.result, told.answer.question) == ("passed", "reverse")
    told = await rehearse(bench, bench.pair(mch_id, "second", 0xA2, known=False))
    assert (told.result, told.answer.question) == ("failed", "reverse")


async def test_pain_8_a_public_key_is_tried_by_an_answer_signed_with_it(bench: Bench) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    signer, pem = public_signer()
    bench.desk.public = signer
    bench.take_in(mch_id, bench.desk.offered[0], "ntf_1")
    bench.take_in(mch_id, signer, "ntf_2")
    told = await rehearse(bench, public_key(signer.serial, pem))
    assert (told.result, told.answer.question, told.passed, told.old) == ("passed", "echo", 1, 1)
    assert (await bench.profile()).api_version == "v2", "the change to v3 may come later"


async def test_pain_8_the_answer_is_asked_for_with_the_candidate_and_not_with_the_key_in_use(
    bench: Bench,
) -> None:
    await bench.equip()
    (present, present_pem), (signer, pem) = public_signer("older", "PUB_KEY_ID_1"), public_signer()
    await bench.put(public_key(present.serial, present_pem))
    bench.desk.public = signer
    told = await rehearse(bench, public_key(signer.serial, pem))
    assert (told.result, told.answer.question) == ("passed", "echo")


async def test_pain_8_while_the_switch_is_off_at_wechat_it_is_unclear(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    signer, pem = public_signer()
    bench.desk.public, bench.desk.public_key_signs = signer, False
    told = await rehearse(bench, public_key(signer.serial, pem))
    assert (told.result, told.answer.code) == ("unclear", "signed_by_another")


async def test_pain_8_somebody_elses_public_key_fails(bench: Bench) -> None:
    await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    bench.desk.public = public_signer()[0]
    wrong = public_signer("somebody")[1]
    told = await rehearse(bench, public_key(bench.desk.public.serial, wrong))
    assert (told.result, told.answer.asked) == ("failed", "refused")


async def test_without_a_certificate_nothing_of_v3_can_be_asked(bench: Bench) -> None:
    signer, pem = public_signer()
    for material in (symmetric_key(KeyKind.API_V3, NEW_V3), public_key(signer.serial, pem)):
        told = await rehearse(bench, material)
        assert (told.result, told.answer.asked) == ("unclear", "not_asked")
    assert not bench.desk.asked


async def test_only_candidates_are_rehearsed(bench: Bench) -> None:
    await bench.equip()
    for kind, version in ((KeyKind.API_V2, 1), (KeyKind.API_V2, 7), (KeyKind.PLATFORM_CERTIFICATE, 1)):
        with pytest.raises(NotFound):
            await bench.rehearsals().rehearse(bench.scope, kind, version, OWNER)


async def test_C6_a_report_names_no_secret_and_no_signature(bench: Bench, database_url: str) -> None:
    mch_id = await bench.equip()
    bench.desk.offered = [bench.platform()]
    await bench.certificates().run_due()
    sample = bench.take_in(mch_id, bench.desk.offered[0], "ntf_1")
    with capture_logs() as logs:
        told = await rehearse(bench, symmetric_key(KeyKind.API_V3, NEW_V3))
    stored = await dump(database_url)
    for secret in (NEW_V3, V3_KEY, sample.headers["wechatpay-signature"]):
        assert secret not in f"{logs}{told!r}"
        assert secret.encode() not in stored
    assert [row["event"] for row in logs] == ["provider_keys.rehearsed"]
