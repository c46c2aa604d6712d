"""B-11 at a provider on API v3: the same trial, whose code the simulator's phone scans."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.clinic import OWNER, Clinic, clinic_at, prepare, wechat
from tests.support.clinic_v3 import everything_v3
from tests.support.databases import sqlite_url
from tests.support.simulated import blind

from spapp.console.golive.views import trial_view
from sptenants.orders.models import Attempt
from sptenants.registry.access import RequestFacts

FACTS = RequestFacts(request_id="req_1", peer="203.0.113.9")


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    """A sub-merchant in onboarding, with the whole program around it."""
    url = sqlite_url(tmp_path)
    with wechat() as where:
        scopes = await prepare(url, where, "onboarding", everything_v3(where))
        async with clinic_at(url, where, scopes=scopes) as opened:
            yield opened


async def test_B11_a_trial_by_v3_is_scanned_paid_notified_given_back_and_certified(clinic: Clinic) -> None:
    golive, scope = clinic.services.golive, clinic.tenant
    trial = await golive.begin_trial(scope, (await clinic.binding()).id, OWNER, facts=FACTS)
    phone = trial_view(trial, await golive.cashier(scope, trial), clinic.where.url).phone_url
    assert phone is not None
    async with httpx.AsyncClient(trust_env=False, verify=blind(), timeout=10) as http:
        shown = await http.get(phone)
        assert "¥0.01" in shown.text
        scanned = dict(shown.request.url.params)
        paid = await http.post(phone.partition("?")[0], data=scanned | {"action": "pay"})
        assert "支付成功" in paid.text
    async with asyncio.timeout(10):
        while not trial.refundable:
            await asyncio.sleep(0.05)
            trial = await golive.trial(scope, trial.id)
    assert [lamp.state for lamp in trial.lamps[:3]] == ["ok", "ok", "ok"]

    await golive.refund_trial(scope, trial.id, OWNER, facts=FACTS)
    (refund,) = await clinic.services.refund_reader.of_order(scope, trial.order_id)
    async with asyncio.timeout(20):  # the simulator gives it back by itself within seconds
        while trial.state == "open":
            await asyncio.sleep(0.05)
            trial = await golive.trial(scope, trial.id)
    assert trial.state == "passed"
    async with clinic.services.database.read(scope) as session:
        attempt = await session.get_one(Attempt, (scope.tenant_id, refund.out_trade_no))
    assert (attempt.api_version, attempt.prepay_id) == ("v3", None)
