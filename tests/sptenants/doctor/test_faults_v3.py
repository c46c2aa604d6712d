"""B-8 by API v3: for every fault exactly the right rows are red, by the real program and the simulator."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update
from tests.support.certificates import certificate_of, certificate_pem, public_pem, rsa_key
from tests.support.clinic import Clinic, clear, clinic_at, prepare, told
from tests.support.clinic_v3 import everything_v3, keys
from tests.support.databases import sqlite_url
from tests.support.doctor_faults import COMMON, Fault, Faults, exactly_its_rows_tell_of_it
from tests.support.house import MASTER_KEY
from tests.support.simulated import MCH_ID

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope, TenantScope
from spcore.providers.keys import key_context, put_key
from spcore.providers.models import CertificateFetch, KeyKind, KeyState, SecurityEcho
from spcore.vault import Vault
from spsim.serve import Running
from sptenants.doctor.echo import EchoTest
from sptenants.doctor.models import DoctorRun
from sptenants.doctor.rows import Level

NOW = datetime.now(UTC)

Prepared = tuple[Path, tuple[ProviderScope, TenantScope], dict[str, Any]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, where: Running) -> Prepared:
    """Return a database with everything in order, made once and copied for every test."""
    url, document = sqlite_url(tmp_path_factory.mktemp("prepared_v3")), everything_v3(where)

    async def fill() -> tuple[ProviderScope, TenantScope]:
        scopes = await prepare(url, where, document=document)
        async with clinic_at(url, where, scopes, whole=False) as opened:
            await opened.settle_down()
        return scopes

    return Path(url.partition("///")[2]), asyncio.run(fill()), document


@pytest.fixture
async def clinic(tmp_path: Path, prepared: Prepared, where: Running) -> AsyncIterator[Clinic]:
    """Everything in order."""
    template, scopes, document = prepared
    shutil.copy(template, tmp_path / "wxsp.db")
    url = f"sqlite+aiosqlite:///{tmp_path / 'wxsp.db'}"
    async with clinic_at(url, where, scopes, whole=False) as opened:
        _wait_shorter(opened)
        yield opened
        keys(opened, "rules", clock_offset_s=0)
    clear(where, document)


def _wait_shorter(clinic: Clinic) -> None:
    services = clinic.services
    services.doctor._examiner._echo_test = EchoTest(
        services.database, services.clock, services.gateways, public_url=clinic.where.url, wait_s=1.5
    )


FAULTS = Faults(COMMON)
fault = FAULTS.fault


async def _platform_certificate(clinic: Clinic, days: int) -> None:
    now, serial = clinic.services.clock.now(), 0x5AC10F2E3D4B5C6978A9BACBDCEDFE0F
    made = certificate_of(rsa_key("ours"), "Tenpay.com sign", now=now, days=days, serial=serial)
    async with clinic.services.database.write(clinic.provider) as session:
        await put_key(
            session,
            Vault([MASTER_KEY]),
            provider_id=clinic.provider.provider_id,
            kind=KeyKind.PLATFORM_CERTIFICATE,
            secret=certificate_pem(made),
            now=now,
            label=f"{serial:X}",
            not_after=now + timedelta(days=days),
        )


@fault("sp.apiv3_key_length")
async def no_api_v3_key(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.API_V3, state=KeyState.RETIRED.value)


@fault("sp.apiv3_key_length")
async def damaged_api_v3_key(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.API_V3, sealed=b"\x01" * 120)


@fault("sp.apiv3_key_length")
async def api_v3_key_of_31_letters(clinic: Clinic) -> None:
    place = key_context(clinic.provider.provider_id, KeyKind.API_V3.value, 1)
    await clinic.change_key(KeyKind.API_V3, sealed=Vault([MASTER_KEY]).seal(b"k" * 31, place))


@fault("sp.wechat_public_key")
async def no_key_of_wechat(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.WECHATPAY_PUBLIC_KEY, state=KeyState.RETIRED.value)


@fault("sp.wechat_public_key")
async def damaged_key_of_wechat(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.WECHATPAY_PUBLIC_KEY, sealed=b"\x01" * 120)


@fault("sp.wechat_public_key")
async def somebody_elses_public_key_under_the_right_id(clinic: Clinic) -> None:
    place = key_context(clinic.provider.provider_id, KeyKind.WECHATPAY_PUBLIC_KEY.value, 1)
    pem = public_pem(rsa_key("nobody's"))
    await clinic.change_key(KeyKind.WECHATPAY_PUBLIC_KEY, sealed=Vault([MASTER_KEY]).seal(pem, place))


@fault(amber="sp.platform_cert")
async def platform_certificate_that_ends_soon(clinic: Clinic) -> None:
    await _platform_certificate(clinic, 6)


@fault(amber="sp.platform_cert")
async def platform_certificate_that_has_ended_beside_a_public_key(clinic: Clinic) -> None:
    await _platform_certificate(clinic, -2)


@fault(amber="sp.platform_cert")
async def platform_certificates_that_cannot_be_fetched(clinic: Clinic) -> None:
    await _platform_certificate(clinic, 600)
    row = {
        "provider_id": clinic.provider.provider_id,
        "asked_at": NOW,
        "succeeded_at": None,
        "result": "timeout",
        "found": 0,
    }
    async with clinic.services.database.write(clinic.provider) as session:
        await session.execute(insert(table_of(CertificateFetch)), [row])


@fault("clock.skew")
async def clock_ten_minutes_off(clinic: Clinic) -> None:
    keys(clinic, "rules", clock_offset_s=600)


@fault("sp.echo")
async def other_api_v3_key_at_wechat(clinic: Clinic) -> None:
    clinic.misconfigure("other_v3_key", mch_id=MCH_ID)


@fault(amber="sp.key")
async def api_v2_key_given_up(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.API_V2, state=KeyState.RETIRED.value)


@pytest.mark.parametrize("case", FAULTS, ids=lambda case: case.name)
async def test_B8_exactly_the_right_row_tells_of_it_by_v3(clinic: Clinic, case: Fault) -> None:
    await exactly_its_rows_tell_of_it(clinic, case)


async def test_B8_by_v3_without_a_fault_nothing_is_red_or_amber_and_the_echo_comes_back(
    clinic: Clinic,
) -> None:
    report = await clinic.examine()

    assert told(report, Level.FAIL, Level.WARN) == set()
    waiting = {code for code, _about in told(report, Level.UNCHECKED)}
    assert waiting == {"webhook.test", "trial.pay", "trial.refund"}
    assert await _echoes(clinic) == 1


async def test_K03_a_provider_lives_by_platform_certificates_alone(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.WECHATPAY_PUBLIC_KEY, state=KeyState.RETIRED.value)
    keys(clinic, "mode", verification="certificate")
    assert await clinic.services.platform_certificates.run_due() == 1

    report = await clinic.examine()

    assert told(report, Level.FAIL, Level.WARN) == set()
    assert ("sp.echo", None) in told(report, Level.PASS)


async def test_a_provider_tries_the_other_version_before_it_moves_and_nothing_is_stored(
    clinic: Clinic,
) -> None:
    doctor = clinic.services.doctor
    there = await doctor.try_version(clinic.provider, "v3", live=True)
    back = await doctor.try_version(clinic.provider, "v2", live=True)

    assert told(there, Level.FAIL, Level.WARN) == told(back, Level.FAIL, Level.WARN) == set()
    codes = {row.code for row in there.rows} - {row.code for row in back.rows}
    assert codes == {"sp.apiv3_key_length", "sp.wechat_public_key", "sp.platform_cert", "sp.echo"}
    assert (await doctor.last(clinic.provider, None)).ran_at is None


async def test_B17_the_nightly_look_at_many_tenants_sends_one_echo_a_provider(clinic: Clinic) -> None:
    doctor, scope = clinic.services.doctor, clinic.provider
    assert await doctor.run_due() == 1
    async with clinic.services.database.write(scope) as session:
        await session.execute(
            update(DoctorRun)
            .where(DoctorRun.provider_id == scope.provider_id)
            .values(ran_at=clinic.services.clock.now() - timedelta(hours=21))
        )

    assert await doctor.run_due() == 1

    assert await _echoes(clinic) == 1
    await clinic.examine()
    assert await _echoes(clinic) == 2, "a person's run does"


async def _echoes(clinic: Clinic) -> int:
    mine = select(func.count()).where(SecurityEcho.provider_id == clinic.provider.provider_id)
    async with clinic.services.database.read(clinic.provider) as session:
        return await session.scalar(mine) or 0
