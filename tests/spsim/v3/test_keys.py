"""Which of WeChat's keys signs what, certificates and their rotation, the merchant's own keys (wechatpay-v3
1.6, 1.11; catalogue K01 to K05)."""

from __future__ import annotations

import base64
import shutil
import sqlite3
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from tests.support.simulated import (
    KEY,
    MCH_ID,
    MERCHANT,
    OTHER_KEY,
    Receiver,
    order,
    signature,
    xml,
)
from tests.support.simulated_v3 import (
    OAEP,
    OTHER_V3_KEY,
    PARTNER,
    Identity,
    V3Desk,
    asking,
    cashier,
    document,
    identity,
    native,
    opened,
    prepay,
    v3_desk_at,
)

from spsim.app import create_simulator
from spsim.serve import serving

CERTIFICATES = "/v3/certificates"
ECHO = "/v3/security/echo"


async def signer(v3: V3Desk, named: str | None = None) -> str:
    """Return the serial that signs an answer to a call that names a key of WeChat, or none."""
    headers = {} if named is None else {"Wechatpay-Serial": named}
    answer = await v3.send("POST", f"{PARTNER}/native", native(), headers)
    assert v3.verifies(answer)
    return answer.headers["wechatpay-serial"]


async def serials(v3: V3Desk) -> tuple[list[str], list[str]]:
    """Return the public keys and the certificates that the tester sees."""
    told = (await v3.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})).json()
    return [key["id"] for key in told["public_keys"]], [one["serial"] for one in told["certificates"]]


async def test_by_mode_and_request_the_answer_is_signed_with_the_right_key(v3: V3Desk) -> None:
    (public_key,), (certificate,) = await serials(v3)
    signs = {
        "public_key": {None: public_key, public_key: public_key, certificate: public_key},
        "certificate": {None: certificate, public_key: certificate, certificate: certificate},
        "both": {
            None: certificate,
            public_key: public_key,
            certificate: certificate,
            "PUB_KEY_ID_0": certificate,
        },
    }
    for mode, expected in signs.items():
        await v3.keys("mode", verification=mode)
        for named, serial in expected.items():
            assert await signer(v3, named) == serial, (mode, named)


async def test_certificates_are_listed_sealed_with_the_v3_key(v3: V3Desk) -> None:
    assert await v3.fails("GET", CERTIFICATES) == (404, "RESOURCE_NOT_EXISTS", "")
    await v3.keys("mode", verification="certificate")
    listed = (await v3.ask("GET", CERTIFICATES))["data"]
    assert await v3.ask("GET", f"{CERTIFICATES}?algorithm_type=ALL")
    assert await v3.fails("GET", f"{CERTIFICATES}?algorithm_type=SM2") == (404, "RESOURCE_NOT_EXISTS", "")
    (entry,) = listed
    assert entry["encrypt_certificate"]["algorithm"] == "AEAD_AES_256_GCM"
    assert entry["encrypt_certificate"]["associated_data"] == "certificate"
    certificate = x509.load_pem_x509_certificate(opened(entry["encrypt_certificate"]).encode())
    assert f"{certificate.serial_number:040X}" == entry["serial_no"]
    assert entry["serial_no"] == await signer(v3)
    assert entry["effective_time"].endswith("+08:00")
    authority = x509.load_pem_x509_certificate((await v3.http.get("/_sim/ca")).text.encode())
    certificate.verify_directly_issued_by(authority)
    with pytest.raises(InvalidTag):
        opened(entry["encrypt_certificate"], OTHER_V3_KEY)


async def test_K03_a_new_certificate_signs_a_growing_share_beside_the_old_one(v3: V3Desk) -> None:
    _public, (old,) = await serials(v3)
    await v3.keys("mode", verification="certificate")
    new = (await v3.keys("rotate_certificate", effective_in_s=3600, percent=0))["serial"]
    listed = {entry["serial_no"] for entry in (await v3.ask("GET", CERTIFICATES))["data"]}
    assert listed == {old, new}
    await v3.keys("share", of="new_certificate", percent=100)
    assert await signer(v3) == old
    await v3.control("clock", advance_s=3601)
    assert await signer(v3) == new
    await v3.keys("share", of="new_certificate", percent=0)
    assert await signer(v3) == old
    await v3.keys("share", of="new_certificate", percent=50)
    assert {await signer(v3) for _ in range(24)} == {old, new}
    await v3.keys("retire_certificates", serial=old)
    assert await signer(v3) == new
    assert [entry["serial_no"] for entry in (await v3.ask("GET", CERTIFICATES))["data"]] == [new]


async def test_an_expired_certificate_signs_nothing(v3: V3Desk) -> None:
    _public, (old,) = await serials(v3)
    await v3.keys("mode", verification="certificate")
    short = (await v3.keys("rotate_certificate", valid_for_s=60))["serial"]
    assert await signer(v3) == short
    await v3.control("clock", advance_s=61)
    assert await signer(v3) == old


async def test_K04_notifications_change_over_by_share(v3: V3Desk, receiver: Receiver) -> None:
    (public_key,), (certificate,) = await serials(v3)
    await v3.keys("mode", verification="both")
    seen: dict[int, set[str]] = {}
    for percent in (0, 100, 50):
        await v3.keys("share", percent=percent)
        told = len(receiver.headers)
        for number in range(1 if percent != 50 else 20):
            await v3.place("native", native(f"N{percent:04d}{number:04d}", notify_url=receiver.url))
            await v3.control("pay", out_trade_no=f"N{percent:04d}{number:04d}")
            await v3.attempts(told + number + 1)
        seen[percent] = {headers["wechatpay-serial"] for headers in receiver.headers[told:]}
    assert seen == {0: {certificate}, 100: {public_key}, 50: {certificate, public_key}}


async def test_the_last_certificate_retired_ends_the_certificate_mode(v3: V3Desk) -> None:
    await v3.keys("mode", verification="both")
    (public_key,), _certificates = await serials(v3)
    told = await v3.keys("retire_certificates")
    assert (told["verification"], told["certificates"]) == ("public_key", [])
    assert await signer(v3) == public_key
    assert await v3.fails("GET", CERTIFICATES) == (404, "RESOURCE_NOT_EXISTS", "")


async def test_a_new_public_key_stands_beside_the_old_one_until_that_is_retired(v3: V3Desk) -> None:
    (old,), _certificates = await serials(v3)
    new = (await v3.keys("new_public_key"))["serial"]
    assert new.startswith("PUB_KEY_ID_")
    assert [await signer(v3, named) for named in (None, old, new)] == [new, old, new]
    await v3.keys("retire_public_key", serial=old)
    assert await signer(v3, old) == new
    assert await v3.refused("v3/keys", mch_id=MCH_ID, action="retire_public_key", serial=new) == (
        409,
        "LAST_KEY",
    )


async def test_the_gateways_clock_can_be_wrong(v3: V3Desk) -> None:
    await v3.keys("rules", clock_offset_s=290)
    answer = await v3.send("POST", f"{PARTNER}/jsapi", prepay())
    assert v3.verifies(answer)
    await v3.keys("rules", clock_offset_s=310)
    failed = await v3.fails("POST", f"{PARTNER}/jsapi", prepay())
    assert failed == (401, "SIGN_ERROR", "timestamp")


async def test_a_second_api_certificate_signs_beside_the_first_until_that_is_revoked(
    v3: V3Desk, identities: dict[str, Identity]
) -> None:
    renewed = identity(MCH_ID)
    await v3.control("providers", **document(identities | {MCH_ID: renewed}))
    async with v3_desk_at(v3.where, renewed) as after:
        await after.place()
        assert await v3.query()
        told = await v3.keys("revoke_api_certificate", serial=v3.own.serial)
        assert told["api_certificates"] == [renewed.serial]
        assert await v3.fails("GET", asking("T000001")) == (401, "SIGN_ERROR", "serial_no")
        assert await after.query()


async def test_the_cashier_takes_any_certificate_that_is_valid(
    v3: V3Desk, identities: dict[str, Identity]
) -> None:
    prepay_id = (await v3.place())["prepay_id"]
    renewed = identity(MCH_ID)
    params = cashier(renewed, prepay_id)
    document_now = {"prepay_id": prepay_id, "pay_params": params, "outcome": "cancel"}
    assert await v3.refused("pay", **document_now) == (409, "PAY_SIGN")
    await v3.control("providers", **document(identities | {MCH_ID: renewed}))
    await v3.control("pay", **document_now)
    await v3.control("pay", **document_now | {"pay_params": cashier(v3.own, prepay_id)})


async def test_a_serial_may_be_written_without_its_leading_zeros(
    v3: V3Desk, identities: dict[str, Identity]
) -> None:
    short = identity(MCH_ID, serial=0x0A1B2C3D)
    assert short.serial == f"{'0' * 32}0A1B2C3D"
    await v3.control("providers", **document(identities | {MCH_ID: short}))
    async with v3_desk_at(v3.where, short) as desk:
        for serial in (short.serial, "A1B2C3D", "0A1B2C3D"):
            header = desk.authorization("GET", CERTIFICATES, serial_no=serial)
            assert (await desk.fails("GET", CERTIFICATES, headers={"Authorization": header}))[0] == 404


async def test_K01_what_was_queued_before_the_v2_key_changed_keeps_the_old_key(
    v3: V3Desk, identities: dict[str, Identity], receiver: Receiver
) -> None:
    receiver.answers = lambda number: (200 if number % 2 == 0 else 500, "<xml></xml>", 0)
    await v3.control("clock", retry_gaps_s=[30, 30])
    await v3.create(order("T000001", notify_url=receiver.url))
    await v3.control("pay", out_trade_no="T000001")
    await v3.attempts(1)
    await v3.control("providers", **document(identities, api_v2_key=OTHER_KEY))
    by_old_key = order("T000002")
    refused = await v3.raw("/pay/unifiedorder", xml(by_old_key | {"sign": signature(by_old_key, KEY)}))
    assert refused["return_msg"] == "签名错误"
    await v3.create(order("T000002"), OTHER_KEY)
    await v3.control("clock", advance_s=31)
    await v3.attempts(2)
    for message in receiver.messages:
        assert message["sign"] == signature(message, KEY)
    await v3.keys("rules", keep_old_key_retries=False)
    await v3.control("clock", advance_s=31)
    await v3.attempts(3)
    assert receiver.messages[2]["sign"] == signature(receiver.messages[2], OTHER_KEY)


async def test_the_echo_comes_back_and_its_secret_sealed_for_the_caller(v3: V3Desk) -> None:
    (public_key,), _certificates = await serials(v3)
    secret = base64.b64encode(v3.wechat[public_key].encrypt("张三".encode(), OAEP)).decode()
    body = {"echo_message": "hello", "encrypted_echo_message": secret}
    named = {"Wechatpay-Serial": public_key}
    told = await v3.ask("POST", ECHO, body, named)
    assert told.keys() == {"echo_message", "encrypted_echo_message"}
    assert (told["echo_message"], v3.own.unseal(told["encrypted_echo_message"])) == ("hello", "张三")
    assert await v3.ask("POST", ECHO, {"echo_message": "hello"}, named) == {"echo_message": "hello"}


async def test_an_echo_needs_a_key_of_wechat_and_what_opens_with_it(v3: V3Desk) -> None:
    (public_key,), (certificate,) = await serials(v3)
    secret = base64.b64encode(v3.wechat[certificate].encrypt(b"x", OAEP)).decode()
    body = {"echo_message": "hello", "encrypted_echo_message": secret}
    no_key = (400, "PARAM_ERROR", "Wechatpay-Serial")
    assert await v3.fails("POST", ECHO, {"echo_message": "hello"}) == no_key
    assert await v3.fails("POST", ECHO, body) == no_key
    assert await v3.fails("POST", ECHO, body, {"Wechatpay-Serial": v3.own.serial}) == no_key
    assert await v3.fails("POST", ECHO, body, {"Wechatpay-Serial": public_key}) == (
        400,
        "INVALID_REQUEST",
        "",
    )
    assert await v3.ask("POST", ECHO, body, {"Wechatpay-Serial": certificate})
    wrong_url = {"echo_message": "hello", "notify_url": "http://pay.example.com/x"}
    failed = await v3.fails("POST", ECHO, wrong_url, {"Wechatpay-Serial": public_key})
    assert failed == (400, "PARAM_ERROR", "/notify_url")


async def test_the_plain_merchant_has_keys_of_its_own(v3: V3Desk, merchant: V3Desk) -> None:
    assert not v3.wechat.keys() & merchant.wechat.keys()
    ours, _ = await serials(v3)
    answer = await merchant.send("GET", CERTIFICATES, headers={"Wechatpay-Serial": ours[0]})
    assert answer.status_code == 404
    assert await v3.control("v3/keys", mch_id=MERCHANT, action="mode", verification="certificate")
    listed = (await merchant.ask("GET", CERTIFICATES))["data"]
    assert [entry["serial_no"] in merchant.wechat for entry in listed] == [True]


async def test_books_of_version_1_bring_their_keys_along(registered_v3: Path, tmp_path: Path) -> None:
    database = tmp_path / "simulator.db"
    shutil.copy(registered_v3, database)
    before = _as_version_1(database)
    for _ in range(2):
        async with (
            serving(create_simulator(database)) as where,
            v3_desk_at(where, identity(MCH_ID)) as desk,
        ):
            told = (await desk.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})).json()
    connection = sqlite3.connect(database)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(provider)")}
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    assert columns == {"mch_id", "appid", "kind", "api_v2_key", "api_v3_key", "verification"}
    shown = (told["public_keys"][0]["id"], told["certificates"][0]["serial"], told["api_certificates"][0])
    assert shown == before


def _as_version_1(database: Path) -> tuple[str, str, str]:
    """Put the keys back where version 1 kept them; return the serials of the service provider's."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    names = "client_cert_pem", "public_key_id", "public_key_pem", "public_key_private_pem"
    for column in (*names, "certificate_pem", "certificate_private_pem"):
        connection.execute(f"ALTER TABLE provider ADD COLUMN {column} TEXT")
    kept: dict[tuple[str, str], str] = {}
    for row in connection.execute("SELECT * FROM wechat_key").fetchall():
        kept[row["mch_id"], row["kind"]] = row["serial"]
        pems = (row["public_pem"], row["private_pem"], row["mch_id"])
        prefix = row["kind"]
        connection.execute(
            f"UPDATE provider SET {prefix}_pem = ?, {prefix}_private_pem = ? WHERE mch_id = ?", pems
        )
        if prefix == "public_key":
            change = "UPDATE provider SET public_key_id = ? WHERE mch_id = ?"
            connection.execute(change, (row["serial"], row["mch_id"]))
    for row in connection.execute("SELECT * FROM api_certificate").fetchall():
        kept[row["mch_id"], "api"] = row["serial"]
        change = "UPDATE provider SET client_cert_pem = ? WHERE mch_id = ?"
        connection.execute(change, (row["pem"], row["mch_id"]))
    for table in ("wechat_key", "api_certificate", "former_key", "security_echo"):
        connection.execute(f"DROP TABLE {table}")
    for table, column in (("trade", "v3_request"), ("refund", "api"), ("attempt", "headers")):
        connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    connection.executescript(
        "DROP TABLE notification; CREATE TABLE notification (id INTEGER PRIMARY KEY,"
        " trade_id INTEGER NOT NULL REFERENCES trade, transaction_id TEXT NOT NULL REFERENCES payment,"
        " refund_id TEXT REFERENCES refund, refund_status TEXT, created_at INTEGER NOT NULL,"
        " deliveries INTEGER NOT NULL DEFAULT 0, last_at INTEGER, state TEXT NOT NULL DEFAULT 'pending');"
        " PRAGMA user_version = 1;"
    )
    connection.commit()
    connection.close()
    return kept[MCH_ID, "public_key"], kept[MCH_ID, "certificate"], kept[MCH_ID, "api"]
