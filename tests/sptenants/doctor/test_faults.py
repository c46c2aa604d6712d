"""B-8: for every fault exactly the right rows are red, everything else stays as it was."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.clinic import PAGE_APP, Clinic, clear, clinic_at, control, prepare, told
from tests.support.databases import sqlite_url
from tests.support.doctor_faults import COMMON, OF_TENANT, Fault, Faults, exactly_its_rows_tell_of_it
from tests.support.simulated import COFFEE_APP, MCH_ID, PHONE_APP

from spcore.db.scope import ProviderScope, TenantScope
from spcore.providers.models import KeyKind, KeyState
from spsim.serve import Running
from sptenants.doctor.loop import SelfTest
from sptenants.doctor.rows import Level
from sptenants.registry.ledger import BindingStatus
from wechatpay.transport import Transport

QUERY = "/pay/orderquery"
SOON = datetime.now(UTC) + timedelta(days=10)
PAST = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture(scope="module")
def prepared(
    tmp_path_factory: pytest.TempPathFactory, where: Running
) -> tuple[Path, tuple[ProviderScope, TenantScope]]:
    """Return a database with everything in order, made once and copied for every test."""
    folder = tmp_path_factory.mktemp("prepared")
    url = sqlite_url(folder)

    async def fill() -> tuple[ProviderScope, TenantScope]:
        scopes = await prepare(url, where)
        async with clinic_at(url, where, scopes, whole=False) as opened:
            await opened.settle_down()
        return scopes

    return Path(url.partition("///")[2]), asyncio.run(fill())


@pytest.fixture
async def clinic(
    tmp_path: Path, prepared: tuple[Path, tuple[ProviderScope, TenantScope]], where: Running
) -> AsyncIterator[Clinic]:
    """Everything in order."""
    template, scopes = prepared
    shutil.copy(template, tmp_path / "wxsp.db")
    url = f"sqlite+aiosqlite:///{tmp_path / 'wxsp.db'}"
    async with clinic_at(url, where, scopes, whole=False) as opened:
        yield opened
    clear(where)


FAULTS = Faults(COMMON)
fault = FAULTS.fault


@fault("sp.key")
async def no_key(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.API_V2, state=KeyState.RETIRED.value)


@fault("sp.key")
async def damaged_key(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.API_V2, sealed=b"\x01" * 120)


@fault("sp.cert_pair")
async def damaged_certificate(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.CLIENT_CERTIFICATE, sealed=b"\x01" * 120)


@fault(amber="sp.cert_expiry")
async def certificate_that_ends_soon(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.CLIENT_CERTIFICATE, not_after=SOON)


@fault("sp.signature")
async def other_key_at_wechat(clinic: Clinic) -> None:
    clinic.misconfigure("other_key", mch_id=MCH_ID)


@fault("sp.signature")
async def answer_that_is_not_signed_with_our_key(clinic: Clinic) -> None:
    clinic.fault("/pay/unifiedorder", "wrong_answer_signature", times=9)


@fault(("binding.wechat_side", PHONE_APP), ("binding.wechat_side", PAGE_APP))
async def two_apps_that_are_bound_no_more(clinic: Clinic) -> None:
    clinic.misconfigure("unbind", sub_appid=PHONE_APP, **OF_TENANT)
    clinic.misconfigure("unbind", sub_appid=PAGE_APP, **OF_TENANT)


@fault(("binding.secret", COFFEE_APP))
async def app_secret_that_was_reset(clinic: Clinic) -> None:
    clinic.misconfigure("other_secret", appid=COFFEE_APP)


@fault(("binding.secret", COFFEE_APP))
async def appid_that_the_login_does_not_know(clinic: Clinic) -> None:
    clinic.misconfigure("forget_appid", appid=COFFEE_APP)


@fault(("binding.secret", COFFEE_APP))
async def app_secret_that_does_not_open(clinic: Clinic) -> None:
    await clinic.change_binding(COFFEE_APP, secret_version=7)


@fault("clock.skew")
async def clock_ten_minutes_off(clinic: Clinic) -> None:
    _set_clock(clinic, 600)


@fault(amber="clock.skew")
async def clock_two_minutes_off(clinic: Clinic) -> None:
    _set_clock(clinic, 120)


@fault("gateway.reach")
async def gateway_down(clinic: Clinic) -> None:
    clinic.fault(QUERY, "stop")


@fault("gateway.reach")
async def gateway_that_answers_502(clinic: Clinic) -> None:
    clinic.fault(QUERY, "http_502_html", times=9)


@fault("gateway.reach")
async def gateway_that_redirects(clinic: Clinic) -> None:
    clinic.fault(QUERY, "redirect")


@fault("gateway.reach")
async def gateway_that_answers_nothing(clinic: Clinic) -> None:
    clinic.fault(QUERY, "empty_body")


@fault("gateway.reach")
async def gateway_that_is_busy(clinic: Clinic) -> None:
    clinic.fault(QUERY, "error_without_effect", err_code="SYSTEMERROR")


@fault(amber="gateway.reach")
async def gateway_that_is_slow(clinic: Clinic) -> None:
    clinic.fault(QUERY, "delay", ms=2100)


@fault("notify.self_test")
async def redirect_on_the_notify_address(clinic: Clinic) -> None:
    clinic.front("redirect")


@fault("notify.self_test")
async def notify_address_that_answers_a_page(clinic: Clinic) -> None:
    clinic.front("page")


@fault("notify.self_test")
async def notify_address_behind_a_broken_proxy(clinic: Clinic) -> None:
    clinic.front("error")


@fault("notify.self_test")
async def notify_address_that_is_slow(clinic: Clinic) -> None:
    clinic.front("slow", ms=700)
    services = clinic.services
    # Not five seconds long, as in production.
    services.doctor._examiner._self_test = SelfTest(
        lambda: Transport(clinic.where.url), services.challenges, deadline_s=0.3
    )


@fault("notify.self_test")
async def notify_address_that_cuts_the_line(clinic: Clinic) -> None:
    clinic.front("cut")


@fault("webhook.test")
async def disabled_webhook(clinic: Clinic) -> None:
    await clinic.add_endpoint(status="disabled", disabled_at=PAST, disabled_reason="failing")


@fault(amber="webhook.test")
async def failing_webhook(clinic: Clinic) -> None:
    await clinic.add_endpoint(failing_since=PAST)


def _set_clock(clinic: Clinic, seconds: int) -> None:
    control(clinic.where, "clock", advance_s=seconds)


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
async def test_B8_exactly_the_right_row_tells_of_it(clinic: Clinic, case: Fault) -> None:
    await exactly_its_rows_tell_of_it(clinic, case)


async def test_B8_without_a_fault_nothing_is_red_or_amber(clinic: Clinic) -> None:
    report = await clinic.examine()

    assert told(report, Level.FAIL, Level.WARN) == set()
    waiting = {code for code, _about in told(report, Level.UNCHECKED)}
    assert waiting == {"webhook.test", "trial.pay", "trial.refund"}


def test_there_are_at_least_25_faults() -> None:
    assert len(FAULTS) >= 25


async def test_B17_a_disabled_app_is_left_alone(clinic: Clinic) -> None:
    await clinic.change_binding(PHONE_APP, status=BindingStatus.DISABLED.value)
    clinic.misconfigure("unbind", sub_appid=PHONE_APP, **OF_TENANT)

    report = await clinic.examine()

    assert told(report, Level.FAIL) == set()
    assert (await clinic.binding(PHONE_APP)).status == "disabled"


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        pytest.param("delay", {"ms": 900}, id="timeout"),
        pytest.param("drop_answer_after_effect", {}, id="cut"),
        pytest.param("http_502_html", {}, id="502"),
        pytest.param("error_without_effect", {"err_code": "SYSTEMERROR"}, id="busy"),
    ],
)
async def test_B17_a_probe_without_a_clear_answer_refutes_no_binding(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, kind: str, params: dict[str, Any]
) -> None:
    monkeypatch.setattr("spapp.gateways.Transport", partial(Transport, deadline_s=0.6))
    clinic.fault("/pay/unifiedorder", kind, times=9, **params)

    report = await clinic.examine()

    assert ("binding.wechat_side", COFFEE_APP) in told(report, Level.UNCHECKED)
    for sub_appid in (COFFEE_APP, PHONE_APP, PAGE_APP):
        assert (await clinic.binding(sub_appid)).status == "verified"
