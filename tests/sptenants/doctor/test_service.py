"""What the doctor remembers, does by itself at night, and leaves behind at WeChat: nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import func, select, update
from tests.support.clinic import Clinic, clear, clinic_at, prepare, told
from tests.support.clinic_v3 import everything_v3

from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from spsim.serve import Running
from sptenants.doctor.examination import Examiner
from sptenants.doctor.models import DoctorRun, ProbeOrder
from sptenants.doctor.rows import Level
from sptenants.doctor.service import Doctor
from sptenants.notify.models import Notification
from sptenants.orders.models import Order


@pytest.fixture
async def clinic(database_url: str, where: Running) -> AsyncIterator[Clinic]:
    async with clinic_at(database_url, where, whole=False) as opened:
        yield opened
    clear(where)


@pytest.fixture
async def whole_clinic(database_url: str, where: Running) -> AsyncIterator[Clinic]:
    """With the whole program behind the notify address."""
    async with clinic_at(database_url, where) as opened:
        yield opened
    clear(where)


async def test_B8_the_whole_program_answers_the_doctor_and_nothing_is_written_down(
    whole_clinic: Clinic,
) -> None:
    clinic = whole_clinic
    report = await clinic.examine()

    assert told(report, Level.FAIL) == set()
    scope = clinic.tenant
    async with clinic.services.database.read(scope) as session:
        for model in (Notification, Order):
            mine = select(func.count()).select_from(model).where(model.tenant_id == scope.tenant_id)
            assert await session.scalar(mine) == 0


async def test_B8_by_v3_the_whole_program_takes_the_echo(database_url: str, where: Running) -> None:
    document = everything_v3(where)
    scopes = await prepare(database_url, where, document=document)
    async with clinic_at(database_url, where, scopes) as clinic:
        report = await clinic.examine()
        closing = clinic.services.probe_closing
        async with clinic.services.database.write(clinic.tenant) as session:
            await session.execute(
                update(ProbeOrder)
                .where(ProbeOrder.tenant_id == clinic.tenant.tenant_id)
                .values(close_due_at=ProbeOrder.created_at)
            )

        assert told(report, Level.FAIL) == set()
        assert ("sp.echo", None) in told(report, Level.PASS)
        assert await closing.run_due() == 3
        assert await closing.run_due() == 0, "closed by v3"
    clear(where)


async def test_B8_probe_orders_are_closed_once_wechat_allows_it(clinic: Clinic) -> None:
    await clinic.examine()
    scope, closing = clinic.tenant, clinic.services.probe_closing
    assert await closing.run_due() == 0

    async with clinic.services.database.write(scope) as session:
        await session.execute(
            update(ProbeOrder)
            .where(ProbeOrder.tenant_id == scope.tenant_id)
            .values(close_due_at=ProbeOrder.created_at)
        )
    assert await closing.run_due() == 3

    async with clinic.services.database.read(scope) as session:
        still = select(ProbeOrder.out_trade_no).where(
            ProbeOrder.tenant_id == scope.tenant_id, ProbeOrder.close_due_at.is_not(None)
        )
        assert (await session.scalars(still)).all() == []
    assert await closing.run_due() == 0


async def test_B17_a_live_tenant_is_looked_at_again_once_a_night_has_passed(clinic: Clinic) -> None:
    doctor = clinic.services.doctor
    assert await doctor.run_due() == 1
    assert await doctor.run_due() == 0

    async with clinic.services.database.write(clinic.provider) as session:
        await session.execute(
            update(DoctorRun)
            .where(DoctorRun.provider_id == clinic.provider.provider_id)
            .values(ran_at=clinic.services.clock.now() - timedelta(hours=21))
        )
    assert await doctor.run_due() == 1
    levels = await doctor.worst_of(PlatformScope("test"), [clinic.tenant.tenant_id])
    assert levels == {clinic.tenant.tenant_id: Level.WARN}


class Stumbling:
    """An examiner that breaks on whatever it is shown."""

    async def examine(self, _subject: Any, *, live: bool, echo: bool) -> Any:
        raise RuntimeError("nobody thought of this")


async def test_D06_a_tenant_that_cannot_be_examined_waits_for_the_next_night_like_all_others(
    clinic: Clinic,
) -> None:
    services, tenant_id = clinic.services, clinic.tenant.tenant_id
    examiner = cast("Examiner", Stumbling())
    doctor = Doctor(services.database, services.clock, examiner)

    assert await doctor.run_due() == 1
    assert await doctor.run_due() == 0, "it would stand at the head of the queue for ever"
    assert await doctor.worst_of(PlatformScope("test"), [tenant_id]) == {}


async def test_Y3_a_tenant_of_another_provider_does_not_exist(clinic: Clinic) -> None:
    doctor = clinic.services.doctor
    with pytest.raises(NotFound):
        await doctor.last(ProviderScope("prv_of_somebody_else"), clinic.tenant.tenant_id)
    with pytest.raises(NotFound):
        await doctor.last(clinic.provider, "ten_of_somebody_else")
