"""Reading refunds: scopes keep to their own, filters find, numbers are exact (T01, T02, Y4)."""

from __future__ import annotations

import pytest
from tests.support.refund_desk import RefundDesk
from tests.support.till import add_provider

from spcore.db.scope import PlatformScope, ProviderScope
from spcore.errors import NotFound
from sptenants.refunds.filters import RefundFilter
from sptenants.refunds.states import RefundStatus


async def test_T02_every_scope_sees_its_own_refunds_and_no_others(desk: RefundDesk) -> None:
    mine = (await desk.request(await desk.paid(), 100)).refund
    theirs = (await desk.request(await desk.paid(tenant=1), 100)).refund
    (foreign,) = await add_provider(desk.till, number=2)

    async def seen(scope: object) -> set[str]:
        page = await desk.reader.list(scope, RefundFilter(), 20)  # type: ignore[arg-type]
        return {row.id for row in page.rows}

    assert await seen(desk.scope) == {mine.id}
    assert await seen(desk.till.callers[1].scope) == {theirs.id}
    assert await seen(ProviderScope(desk.scope.provider_id)) == {mine.id, theirs.id}
    assert await seen(PlatformScope("test")) == {mine.id, theirs.id}
    assert await seen(foreign.scope) == set()
    for scope in (desk.till.callers[1].scope, foreign.scope, ProviderScope(foreign.provider.id)):
        with pytest.raises(NotFound):
            await desk.reader.record(scope, mine.id)
        assert await desk.reader.of_order(scope, mine.order_id) == ()


async def test_a_line_names_the_order_and_the_merchant(desk: RefundDesk) -> None:
    order = await desk.paid()
    await desk.request(order, 100)
    (row,) = (await desk.reader.list(desk.scope, RefundFilter(order_id=order.id), 20)).rows
    assert (row.merchant_order_no, row.description) == ("T1", "拿铁双人套餐")
    assert (row.tenant_name, row.provider_name) == ("商户 1-0", "服务商 1")


async def test_any_number_finds_the_refund_exactly(desk: RefundDesk) -> None:
    refund = (await desk.request(await desk.paid(), 100)).refund
    await desk.request(await desk.paid("T2"), 100, "R2")
    numbers = (refund.id, refund.out_refund_no, "R1", refund.wechat_refund_id, refund.transaction_id)
    for number in numbers:
        page = await desk.reader.list(desk.scope, RefundFilter(number=number), 20)
        assert [row.id for row in page.rows] == [refund.id]
    wanted = RefundFilter(status=RefundStatus.PROCESSING, tenant_id=refund.tenant_id)
    assert len((await desk.reader.list(desk.scope, wanted, 20)).rows) == 2
