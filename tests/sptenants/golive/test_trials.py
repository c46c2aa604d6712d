"""B-11: one fen paid on the simulator's phone and given back lights every lamp and earns a certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from tests.support.clinic import OWNER, Clinic, clear, clinic_at, control, wechat
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID

from spcore.errors import NotFound
from spsim.serve import Running
from sptenants.doctor.rows import Level
from sptenants.golive.errors import NotReadyToGoLive, TrialNotPaid
from sptenants.golive.evidence import digest_of
from sptenants.golive.records import Trial
from sptenants.orders.commands import PlaceOrder
from sptenants.registry import ledger
from sptenants.registry.access import RequestFacts
from sptenants.registry.caller import Caller
from sptenants.registry.errors import TenantNotLive
from sptenants.registry.reader import TenantReader
from sptenants.registry.rules import TenantStatus
from wechatpay.gateway import TradeType
from wechatpay.money import Fen

FACTS = RequestFacts(request_id="req_1", peer="203.0.113.9")


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with wechat() as started:
        yield started


@pytest.fixture
async def clinic(database_url: str, where: Running) -> AsyncIterator[Clinic]:
    """A sub-merchant in onboarding, with only what answers the doctor behind its notify address."""
    async with clinic_at(database_url, where, whole=False, status="onboarding") as opened:
        yield opened
    clear(where)


@pytest.fixture
async def whole_clinic(database_url: str, where: Running) -> AsyncIterator[Clinic]:
    """The same with the whole program, for what has to be notified."""
    async with clinic_at(database_url, where, status="onboarding") as opened:
        yield opened
    clear(where)


async def settled(look: Callable[[], Awaitable[Trial]], code: str) -> Trial:
    """Look until a lamp is lit."""
    async with asyncio.timeout(10):
        while True:
            trial = await look()
            if any(lamp.code == code and lamp.state == "ok" for lamp in trial.lamps):
                return trial
            await asyncio.sleep(0.05)


async def paid_trial(clinic: Clinic) -> Trial:
    golive, scope = clinic.services.golive, clinic.tenant
    binding = await clinic.binding()
    trial = await golive.begin_trial(scope, binding.id, OWNER, facts=FACTS)
    cashier = await golive.cashier(scope, trial)
    assert cashier is not None
    control(clinic.where, "pay", code_url=cashier.code_url, openid="oSomebody_000000000000000001")
    return await settled(lambda: golive.trial(scope, trial.id), "notified")


async def test_B11_a_trial_goes_through_and_is_certified(whole_clinic: Clinic) -> None:
    clinic = whole_clinic
    golive, scope = clinic.services.golive, clinic.tenant
    trial = await paid_trial(clinic)
    assert [lamp.state for lamp in trial.lamps] == ["ok", "ok", "ok", "none", "wait", "wait", "wait"]
    assert trial.refundable

    trial = await golive.refund_trial(scope, trial.id, OWNER, facts=FACTS)
    number = (await clinic.services.refund_reader.of_order(scope, trial.order_id))[0].out_refund_no
    control(clinic.where, f"refunds/{number}", status="SUCCESS")
    async with asyncio.timeout(10):
        while trial.state == "open":
            await asyncio.sleep(0.05)
            trial = await golive.trial(scope, trial.id)

    assert trial.state == "passed"
    (certificate,) = await golive.certificates(scope)
    assert certificate.id == trial.certificate_id
    assert certificate.digest == digest_of(dict(certificate.evidence))
    assert certificate.evidence["hashes"].keys() == {"timeline", "notification", "refund"}
    assert (await clinic.binding()).status == "verified"
    async with clinic.services.database.read(scope) as session:
        newest = (await ledger.history(session, scope, binding_id=trial.binding_id))[0]
    assert (newest.what, newest.facts["trial_id"]) == ("confirmed", trial.id)
    report = await clinic.services.doctor.last(clinic.provider, scope.tenant_id)
    lit = {row.code for row in report.rows if row.about == COFFEE_APP and row.level is Level.PASS}
    assert lit >= {"trial.pay", "trial.refund"}


async def test_B11_beginning_twice_is_the_same_trial_and_an_unpaid_one_is_not_given_back(
    clinic: Clinic,
) -> None:
    golive, scope, binding = clinic.services.golive, clinic.tenant, await clinic.binding()
    first = await golive.begin_trial(scope, binding.id, OWNER, facts=FACTS)

    again = await golive.begin_trial(scope, binding.id, OWNER, facts=FACTS)

    assert again.id == first.id
    with pytest.raises(TrialNotPaid):
        await golive.refund_trial(scope, first.id, OWNER, facts=FACTS)
    with pytest.raises(NotFound):
        await golive.begin_trial(scope, "bnd_of_somebody_else", OWNER, facts=FACTS)


async def test_O13_before_going_live_only_a_trial_may_be_ordered(clinic: Clinic) -> None:
    detail = await TenantReader(clinic.services.database).detail(clinic.provider, clinic.tenant.tenant_id)
    wanted = PlaceOrder(
        merchant_order_no="T1", amount=Fen(1), description="拿铁", trade_type=TradeType.NATIVE
    )
    with pytest.raises(TenantNotLive):
        await clinic.services.orders.place(
            Caller(detail.provider, detail.tenant, OWNER), wanted, peer="203.0.113.9"
        )


async def test_B17_going_live_is_refused_until_everything_is_confirmed_or_overruled(clinic: Clinic) -> None:
    golive, scope, tenant_id = clinic.services.golive, clinic.provider, clinic.tenant.tenant_id
    with pytest.raises(NotReadyToGoLive) as refused:
        await golive.go_live(scope, tenant_id, OWNER, facts=FACTS)
    assert refused.value.extra["missing"] == ["doctor", "bindings", "trial"]

    await clinic.examine()
    with pytest.raises(NotReadyToGoLive) as refused:
        await golive.go_live(scope, tenant_id, OWNER, facts=FACTS)
    assert refused.value.extra["missing"] == ["trial"]

    assert await golive.go_live(scope, tenant_id, OWNER, override_reason="线下已试付", facts=FACTS)
    detail = await TenantReader(clinic.services.database).detail(scope, tenant_id)
    assert detail.tenant.status == TenantStatus.LIVE
    assert not await golive.go_live(scope, tenant_id, OWNER, override_reason="again", facts=FACTS)


async def test_B17_a_binding_that_wechat_drops_is_found_and_comes_back(clinic: Clinic) -> None:
    await clinic.examine()
    assert (await clinic.binding()).status == "verified"

    clinic.misconfigure("unbind", mch_id=MCH_ID, sub_mch_id=COFFEE, sub_appid=COFFEE_APP)
    await clinic.examine()
    dropped = await clinic.binding()
    assert dropped.status == "invalid"

    clear(clinic.where)
    clinic.front("pass")
    await clinic.examine()
    assert (await clinic.binding()).status == "verified"
    async with clinic.services.database.read(clinic.tenant) as session:
        told = [entry.what for entry in await ledger.history(session, clinic.tenant, binding_id=dropped.id)]
    assert told[:4] == ["confirmed", "refuted", "confirmed", "declared"]
