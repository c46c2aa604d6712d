"""Second payments given back without a person, where the tenant asks for it and nowhere else (B05, P12)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import delete, insert, select
from tests.support.refund_desk import LI, RefundDesk, build_desk
from tests.support.till import KEY, Till
from tests.support.work_list import kinds_of, on_the_list

from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.providers.keyring import Keyring
from spcore.providers.models import KeyKind, ProviderKey
from sptenants.anomalies.policy import REASON, DoublePaymentPolicy
from sptenants.orders.records import OrderRecord
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.records import RefundRecord
from wechatpay.credentials import V2Key

SECOND = "4200009999"


@pytest.fixture
def desk(till: Till) -> RefundDesk:
    return build_desk(till)


@pytest.fixture
def policy(till: Till, desk: RefundDesk) -> DoublePaymentPolicy:
    return DoublePaymentPolicy(till.database, desk.service)


async def paid_twice(desk: RefundDesk, second: str = SECOND) -> OrderRecord:
    """An order that WeChat says was paid by two transactions."""
    till, order = desk.till, await desk.paid()
    desk.wechat.second_payments[second] = order.amount
    body = till.wechat.notification(order.out_trade_no or "", V2Key(1, KEY), transaction_id=second)
    assert (await till.tell(body)).settled
    return order


async def refunds_of(desk: RefundDesk) -> list[RefundRecord]:
    page = await desk.reader.list(desk.scope, RefundFilter(), 10)
    return [row.refund for row in page.rows]


async def test_B05_without_the_tenants_wish_nothing_is_given_back(
    desk: RefundDesk, policy: DoublePaymentPolicy
) -> None:
    await paid_twice(desk)
    assert await policy.run_due() == 0
    assert await refunds_of(desk) == []
    assert await kinds_of(desk.till) == [("double_payment", "open")]


async def test_B05_with_it_the_second_payment_goes_back_whole_and_the_matter_settles(
    desk: RefundDesk, policy: DoublePaymentPolicy
) -> None:
    await desk.till.set_tenant(refunds_double_payments=True)
    order = await paid_twice(desk)
    assert await policy.run_due() == 1
    (refund,) = await refunds_of(desk)
    assert (refund.purpose, refund.amount, refund.transaction_id) == ("duplicate", order.amount, SECOND)
    assert (refund.reason, refund.source) == (REASON, "policy")
    after = await desk.till.order(order.id)
    assert (after.refunded_amount.value, after.refunding_amount.value) == (0, 0)
    desk.settle(refund.out_refund_no)
    await desk.heal(times=2, seconds=75)
    (settled,) = await on_the_list(desk.till)
    assert (settled.state, settled.resolved_by) == ("resolved", "system")
    assert (await desk.till.order(order.id)).anomaly is None


async def test_it_is_given_back_once_however_often_and_by_whomever_it_is_looked_at(
    desk: RefundDesk, policy: DoublePaymentPolicy
) -> None:
    await desk.till.set_tenant(refunds_double_payments=True)
    await paid_twice(desk)
    (found,) = await on_the_list(desk.till)
    await desk.service.refund_duplicate(desk.scope, found.id, LI, "重复支付退回")
    assert [await policy.run_due() for _ in range(3)] == [0, 0, 0]
    assert len(await refunds_of(desk)) == 1


async def test_what_wechat_refused_waits_for_a_person(desk: RefundDesk, policy: DoublePaymentPolicy) -> None:
    await desk.till.set_tenant(refunds_double_payments=True)
    await paid_twice(desk)
    desk.wechat.fail("refund", "refuse:PARAM_ERROR")
    await policy.run_due()
    assert await policy.run_due() == 0
    assert len(await refunds_of(desk)) == 1
    assert await kinds_of(desk.till) == [("double_payment", "open")]


async def test_a_provider_without_a_certificate_leaves_it_open_until_there_is_one(desk: RefundDesk) -> None:
    await desk.till.set_tenant(refunds_double_payments=True)
    await paid_twice(desk)
    till, keys = desk.till, table_of(ProviderKey)
    certificate = (
        keys.c.provider_id == till.scope.provider_id,
        keys.c.kind == KeyKind.CLIENT_CERTIFICATE.value,
    )
    async with till.database.write(ProviderScope(till.scope.provider_id)) as session:
        kept = (await session.execute(select(keys).where(*certificate))).mappings().one()
        await session.execute(delete(keys).where(*certificate))
    fresh = build_desk(replace(till, keyring=Keyring(till.database, till.vault, till.clock)))
    policy = DoublePaymentPolicy(till.database, fresh.service)
    assert await policy.run_due() == 0
    assert await kinds_of(till) == [("double_payment", "open")]
    async with till.database.write(ProviderScope(till.scope.provider_id)) as session:
        await session.execute(insert(keys), [dict(kept)])
    assert await policy.run_due() == 1
