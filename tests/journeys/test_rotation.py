"""Every key and certificate is changed while shops are selling, and no genuine notification is refused.

What a key may still do after its end is tried with a held clock in `tests/sptenants/notify/test_keys_v3.py`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from tests.support.certificates import certificate_of, certificate_pem, private_pem, rsa_key
from tests.support.databases import admin_dsn, postgres_url
from tests.support.installation import COFFEE, COFFEE_APP, PARTNER, PATIENCE_S, Installation, installed
from tests.support.later import healed
from tests.support.parties_v3 import move_to_v3, new_key, refuse_nothing
from tests.support.traffic import Traffic
from tests.support.witness import Witness


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("rotation"), postgres_url()) as made:
        yield made


def provider_id(house: Installation) -> str:
    """Return the id of the provider whose merchants sell."""
    where = f"SELECT id FROM service_providers WHERE mch_id = '{PARTNER}'"
    ((identity,),) = Witness(house).rows(where)
    return str(identity)


def rotate(house: Installation, kind: str, *steps: str, given: bytes | None = None) -> Any:
    """Go some steps with a key, as an operator at the command line."""
    file = () if given is None else ("-",)
    done = house.command(
        *("provider", "rotate", "--provider", provider_id(house), "--kind", kind),
        *(*steps, *file, "--json"),
        given=given,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return json.loads(done.stdout)


def tell_wechat(house: Installation, **changes: str) -> None:
    """Change something on WeChat's side, as on its merchant platform."""
    (provider,) = (each for each in house.document["providers"] if each["mch_id"] == PARTNER)
    provider |= changes
    house.control("providers", {"providers": [provider]})


def wechat_keys(house: Installation, action: str, **fields: Any) -> Any:
    return house.control("v3/keys", {"mch_id": PARTNER, "action": action} | fields)


async def half_a_day_passes_since_the_last_fetch(house: Installation) -> None:
    admin = await asyncpg.connect(**admin_dsn(house.env["WXSP_DATABASE_URL"]))
    try:
        await admin.execute("UPDATE certificate_fetches SET asked_at = asked_at - interval '13 hours'")
    finally:
        await admin.close()


def everything_is_paid(house: Installation, traffic: Traffic) -> None:
    """Whatever was unclear for a moment is healed; every notification was taken the first time it came."""
    for minutes in (1, 2):
        healed(house, minutes)
    assert traffic.refused == []
    paid = [order for order in traffic.orders if order["status"] == "pending"]
    for order in paid:
        house.until(COFFEE, order["id"], "paid")
    refuse_nothing(house, paid)


@pytest.mark.slow
def test_K01_the_v2_key_is_changed_under_load(shop: Installation) -> None:
    traffic, fresh = Traffic(shop, COFFEE, COFFEE_APP), new_key()
    with traffic.running():
        traffic.wait_for_more(15)
        rotate(shop, "api_v2", "--candidate", given=fresh.encode())
        tell_wechat(shop, api_v2_key=fresh)
        assert rotate(shop, "api_v2", "--rehearse", "--promote")["version"] == 2
        traffic.wait_for_more(15)
    assert traffic.orders[-1]["status"] == "pending"
    everything_is_paid(shop, traffic)


@pytest.mark.slow
def test_K02_K03_v3_key_api_certificate_and_platform_certificate_are_changed_under_load(
    shop: Installation,
) -> None:
    """B-13; pains 7 and 9. Nothing is restarted, and no order waits."""
    provider = move_to_v3(shop, PARTNER, verification="certificate")
    traffic, fresh = Traffic(shop, COFFEE, COFFEE_APP), new_key()
    key = rsa_key("rotation under load")
    certificate = certificate_of(key, PARTNER, now=datetime.now(UTC), serial=0x1CE0FFEE)
    cert_pem, key_pem = certificate_pem(certificate).decode(), private_pem(key).decode()
    with traffic.running():
        traffic.wait_for_more(10)

        rotate(shop, "api_v3", "--candidate", given=fresh.encode())
        tell_wechat(shop, **provider | {"api_v3_key": fresh, "verification": "certificate"})
        assert rotate(shop, "api_v3", "--rehearse", "--promote")["version"] == 2
        traffic.wait_for_more(10)

        (old,) = shop.phone.get("/_sim/v3/keys", params={"mch_id": PARTNER}).json()["api_certificates"]
        tell_wechat(shop, client_cert_pem=cert_pem)
        both = (cert_pem + key_pem).encode()
        rotate(shop, "certificate", "--candidate", "--rehearse", "--promote", given=both)
        traffic.wait_for_more(10)
        wechat_keys(shop, "revoke_api_certificate", serial=old)
        traffic.wait_for_more(10)

        # WeChat hands the next certificate out before it signs with it; the worker looks twice a day.
        issued = wechat_keys(shop, "rotate_certificate", percent=0)
        asyncio.run(half_a_day_passes_since_the_last_fetch(shop))
        witness = Witness(shop)
        known = "SELECT label FROM provider_keys WHERE kind = 'platform_certificate'"
        deadline = time.monotonic() + PATIENCE_S
        while issued["serial"] not in {label for (label,) in witness.rows(known)}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for percent in (50, 100):
            wechat_keys(shop, "share", of="new_certificate", percent=percent)
            traffic.wait_for_more(10)
        first = next(each for each in issued["certificates"] if each["serial"] != issued["serial"])
        wechat_keys(shop, "retire_certificates", serial=first["serial"])
        traffic.wait_for_more(10)
    everything_is_paid(shop, traffic)
    assert {order["status"] for order in traffic.orders} == {"pending"}
