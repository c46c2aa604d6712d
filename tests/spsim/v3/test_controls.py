"""The controls of API v3, and what is kept over a restart (contract 6)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.support.simulated import MCH_ID
from tests.support.simulated_v3 import V3_KEY, Identity, V3Desk, document, v3_desk_at

from spsim.app import create_simulator
from spsim.faults import KINDS
from spsim.serve import serving
from spsim.v3 import paths


async def test_registering_again_changes_nothing_of_wechats(
    v3: V3Desk, identities: dict[str, Identity]
) -> None:
    first = await v3.control("providers", **document(identities))
    assert await v3.control("providers", **document(identities)) == first
    told = (await v3.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})).json()
    provider = first["providers"][0]
    assert provider["wechatpay_public_keys"] == told["public_keys"]
    assert [entry["serial"] for entry in provider["platform_certificates"]] == [
        entry["serial"] for entry in told["certificates"]
    ]
    assert told["rules"] == {
        "public_key_share": 0,
        "new_certificate_share": 100,
        "clock_offset_s": 0,
        "cross_version": True,
        "refuse_repeated_nonce": False,
        "keep_old_key_retries": True,
        "keep_old_v3_key_retries": False,
    }


async def test_registering_without_a_certificate_leaves_none(
    v3: V3Desk, identities: dict[str, Identity]
) -> None:
    await v3.control("providers", **document(identities, client_cert_pem=None))
    failed = await v3.fails("GET", "/v3/certificates")
    assert failed == (401, "SIGN_ERROR", "serial_no")
    await v3.control("providers", **document(identities))
    await v3.place()


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({}, (400, "BAD_REQUEST")),
        ({"mch_id": "1900000999", "action": "new_public_key"}, (404, "NO_SUCH_MERCHANT")),
        ({"mch_id": MCH_ID}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "rotate"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "mode", "verification": "none"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "mode", "percent": 1}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "share"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "share", "percent": 101}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "share", "percent": True}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "share", "percent": 1, "of": "all"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "rotate_certificate", "valid_for_s": -1}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "rules"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "rules", "clock_offset_s": "5"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "rules", "cross_version": "no"}, (400, "BAD_REQUEST")),
        ({"mch_id": MCH_ID, "action": "retire_certificates", "serial": "00"}, (404, "NOTHING_THERE")),
        ({"mch_id": MCH_ID, "action": "retire_public_key", "serial": "00"}, (409, "LAST_KEY")),
        ({"mch_id": MCH_ID, "action": "revoke_api_certificate", "serial": "00"}, (404, "NOTHING_THERE")),
        ({"mch_id": MCH_ID, "action": "revoke_api_certificate"}, (400, "BAD_REQUEST")),
    ],
)
async def test_a_wrong_control_is_refused(
    refusing: V3Desk, document: dict[str, Any], error: tuple[int, str]
) -> None:
    assert await refusing.refused("v3/keys", **document) == error


async def test_nobody_is_described_who_is_not_registered(refusing: V3Desk) -> None:
    for params, status in (({}, 400), ({"mch_id": "1900000999"}, 404)):
        assert (await refusing.http.get("/_sim/v3/keys", params=params)).status_code == status


async def test_no_control_shows_a_private_or_secret_key(v3: V3Desk) -> None:
    shown = await v3.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})
    made = str(await v3.keys("rotate_certificate"))
    for text in (shown.text, made, (await v3.http.get("/_sim/")).text):
        assert "PRIVATE KEY" not in text
        assert V3_KEY not in text


async def test_the_index_names_the_controls_and_faults_of_v3(refusing: V3Desk) -> None:
    index = (await refusing.http.get("/_sim/")).json()
    documented = {(entry["method"], entry["path"]) for entry in index["controls"]}
    assert {("GET", "/_sim/v3/keys"), ("POST", "/_sim/v3/keys")} <= documented
    assert set(paths.EVERY) <= index["kinds"].keys()
    assert "pay_before_answer" in KINDS[paths.PREPAY["jsapi"]]
    assert "pay_before_answer" not in KINDS[paths.BY_NUMBER]


async def test_keys_and_rules_outlive_a_restart(
    registered_v3: Path, tmp_path: Path, identities: dict[str, Identity]
) -> None:
    database = shutil.copy(registered_v3, tmp_path)
    async with serving(create_simulator(database)) as where, v3_desk_at(where, identities[MCH_ID]) as desk:
        await desk.keys("mode", verification="both")
        await desk.keys("rules", cross_version=False, clock_offset_s=-12.5)
        before = await desk.keys("share", percent=0.1)
    async with serving(create_simulator(database)) as where, v3_desk_at(where, identities[MCH_ID]) as desk:
        after = (await desk.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})).json()
    assert after == before
    assert (after["rules"]["public_key_share"], after["rules"]["clock_offset_s"]) == (0.1, -12.5)
