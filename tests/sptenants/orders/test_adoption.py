"""Orders that WeChat knows and we lost are rebuilt from its own word alone (B02, B06, D09)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select, update
from tests.support.till import FACTS, KEY, Till, add_provider
from tests.support.work_list import healed, kinds_of, on_the_list

from spcore.audit.actor import Actor
from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.db.scope import ProviderScope
from spcore.ids import new_ulid
from sptenants.orders.adoption import Adopted, Adoption
from sptenants.orders.budget import Budget
from sptenants.orders.filters import OrderFilter
from sptenants.orders.models import Attempt, Order, TimelineEntry
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.credentials import Credentials, V2Key
from wechatpay.gateway import OrderState
from wechatpay.identifiers import AppId, MchId, OutTradeNo, SubMchId
from wechatpay.v2 import envelope, signing

PERSON = Actor("person", "per_1", "李会计")


async def lose(till: Till, order: OrderRecord, *, whole: bool = True) -> None:
    """What a restore does to the rows of the last minutes; not `whole`: the order outlives its attempt."""
    scope = till.scope
    async with till.database.write(scope) as session:
        for table in (TimelineEntry, Attempt):
            rows = table_of(table)
            mine = (rows.c.tenant_id == scope.tenant_id, rows.c.order_id == order.id)
            await session.execute(delete(rows).where(*mine))
        if whole:
            orders = table_of(Order)
            mine = (orders.c.tenant_id == scope.tenant_id, orders.c.id == order.id)
            await session.execute(delete(orders).where(*mine))


async def lost_payment(till: Till, no: str = "T1", **changes: Any) -> tuple[OrderRecord, bytes]:
    """A paid order whose rows are gone, and its notification."""
    order = await till.placed(no, **changes)
    body = await till.paid_body(order)
    await lose(till, order)
    return order, body


async def adopt(till: Till, number: str | None, *, tenant: int = 0, **more: Any) -> Adopted:
    caller = till.callers[tenant]
    return await till.adoption.adopt(caller.provider, caller.tenant, OutTradeNo(number or ""), **more)


async def orders_of(till: Till, *, tenant: int = 0) -> list[OrderRecord]:
    page = await till.reader.list(till.callers[tenant].scope, OrderFilter(), 100)
    return [row.order for row in page.rows]


async def test_B06_D09_a_notification_of_a_lost_order_gets_it_back_before_success_is_said(
    till: Till,
) -> None:
    lost, body = await lost_payment(till)
    till.clock.advance(seconds=15)
    assert (await till.tell(body)).settled
    back = await till.order(lost.id)
    assert (back.status, back.paid_by, back.source) == (OrderStatus.PAID, "query", "adopted")
    assert (back.amount, back.out_trade_no, back.merchant_order_no) == (
        lost.amount,
        lost.out_trade_no,
        lost.id,
    )
    assert (back.sub_appid, back.trade_type, back.created_by) == (lost.sub_appid, "JSAPI", "system")
    (event,) = [event for event in await till.events() if event.subject == lost.id]
    assert (event.type, event.sequence, event.payload["transaction_id"]) == (
        "payment.succeeded",
        1,
        back.transaction_id,
    )
    (row,) = await till.journal()
    assert (row.result, row.reason, row.answered, row.order_id) == (
        "processed",
        "adopted",
        "SUCCESS",
        lost.id,
    )
    (heal,) = await healed(till)
    assert (heal.wrong, heal.before, heal.after, heal.took.total_seconds()) == (
        "unknown_order",
        "absent",
        "paid",
        15,
    )
    (settled,) = await on_the_list(till)
    assert (settled.kind, settled.state, settled.resolved_by) == ("unknown_order", "resolved", "system")
    assert lost.id in (settled.note or "")
    assert (await till.tell(body)).settled
    assert len(await orders_of(till)) == 1


async def test_D09_an_order_whose_attempt_alone_was_lost_is_paid_itself(till: Till) -> None:
    waiting = await till.placed(openid=None)
    placed = await till.orders.pay(till.payer(), waiting.id, peer="203.0.113.9")
    body = await till.paid_body(placed.order)
    await lose(till, placed.order, whole=False)
    await _as_before_the_payer_came(till, waiting)
    assert (await till.tell(body)).settled
    (back,) = await orders_of(till)
    assert (back.id, back.merchant_order_no, back.source) == (waiting.id, "T1", "api_key")
    assert (back.status, back.out_trade_no) == (OrderStatus.PAID, placed.order.out_trade_no)


async def test_B05_a_message_about_another_transaction_than_wechats_is_judged_when_it_is_repeated(
    till: Till,
) -> None:
    lost, _body = await lost_payment(till)
    key, number = await till.signing_key(), lost.out_trade_no or ""
    other = till.wechat.notification(number, key, transaction_id="4200009999")
    assert not (await till.tell(other)).settled
    assert (await till.order(lost.id)).transaction_id == till.wechat.books[number].transaction_id
    assert (await till.tell(other)).settled
    assert ("double_payment", "open") in await kinds_of(till)


async def test_B06_what_wechat_does_not_confirm_is_repeated_and_stays_on_the_list(till: Till) -> None:
    _lost, body = await lost_payment(till)
    till.wechat.fail("orderquery", "timeout", "refuse_unsigned:ORDERNOTEXIST", "bad_signature")
    for _ in range(3):
        assert not (await till.tell(body)).settled
    assert await orders_of(till) == []
    (waiting,) = await on_the_list(till)
    assert (waiting.kind, waiting.state, waiting.seen) == ("unknown_order", "open", 3)
    assert (await till.tell(body)).settled
    assert await kinds_of(till) == [("unknown_order", "resolved")]


async def test_B02_a_number_of_another_tenant_is_never_adopted(till: Till) -> None:
    """Their order exists, lost or not; the other tenant's address, key and name for it change nothing."""
    kept = await till.placed("1")
    kept_body = await till.paid_body(kept)
    lost, body = await lost_payment(till, "2")
    theirs = till.callers[1].tenant.sub_mch_id or ""
    crossed = till.wechat.notification(lost.out_trade_no or "", V2Key(1, KEY), sub_mch_id=theirs)
    for message in (kept_body, body, crossed):
        assert not (await till.tell(message, tenant=1)).settled
    for number in (kept.out_trade_no, lost.out_trade_no):
        assert (await adopt(till, number, tenant=1)).outcome == "absent"
    assert await orders_of(till, tenant=1) == []
    assert {row.reason for row in await till.journal(tenant=1)} == {"other_merchant", "unknown_order"}
    shown = await on_the_list(till, tenant=1)
    assert [found.facts["out_trade_no"] for found in shown] == [lost.out_trade_no]


async def test_B02_even_if_wechat_agreed_a_number_in_the_books_is_not_made_again(till: Till) -> None:
    order = await till.placed()
    await till.paid_body(order)
    known = till.wechat.books[order.out_trade_no or ""]
    known.identity["sub_mch_id"] = till.callers[1].tenant.sub_mch_id or ""
    assert (await adopt(till, order.out_trade_no, tenant=1)).outcome == "foreign"
    assert await orders_of(till, tenant=1) == []
    assert await healed(till, tenant=1) == []
    assert await till.events(tenant=1) == []


@dataclass
class CrossedWechat:
    """A WeChat that answers about somebody else's payment, as after a mix-up behind it (G13)."""

    till: Till
    changes: dict[str, Any]

    def of(self, _mode: str, _api_version: str, _provider_id: str) -> Any:
        return self

    async def query(self, credentials: Credentials, number: OutTradeNo) -> OrderState:
        return replace(await self.till.wechat.query(credentials, number), **self.changes)


async def test_B03_G13_another_merchants_money_or_another_currency_is_not_adopted(till: Till) -> None:
    lost, _body = await lost_payment(till)
    provider, tenant = till.caller.provider, till.caller.tenant
    crossings: tuple[dict[str, Any], ...] = (
        {"sub_mch_id": SubMchId("1600009999")},
        {"sub_mch_id": None},
        {"mch_id": MchId("1900000199")},
        {"appid": AppId("wx" + "a" * 16)},
        {"fee_type": "USD"},
    )
    for changes in crossings:
        crossed = Adoption(till.database, till.clock, till.keyring, CrossedWechat(till, changes))
        found = await crossed.adopt(provider, tenant, OutTradeNo(lost.out_trade_no or ""))
        assert found.outcome == "foreign", changes
    assert await orders_of(till) == []


async def test_C6_attach_alone_decides_nothing(till: Till) -> None:
    """An id of another tenant, or of an order that is there, is not taken from it."""
    other = await till.placed("other")
    lost, body = await lost_payment(till)
    named = {
        f"{till.callers[1].tenant.id}.{lost.id}": "ADOPTED-",
        f"{till.scope.tenant_id}.{other.id}": "ADOPTED-",
        "x": "ADOPTED-",
    }
    for attach, begins in named.items():
        known = till.wechat.books[lost.out_trade_no or ""]
        known.order = replace(known.order, attach=attach)
        assert (await till.tell(body)).settled, attach
        back = next(order for order in await orders_of(till) if order.source == "adopted")
        assert back.merchant_order_no == f"{begins}{lost.out_trade_no}"
        assert back.id not in {lost.id, other.id}
        await _forget_everything_about(till, back)
    assert (await till.order(other.id)).status is OrderStatus.PENDING


async def test_an_unpaid_a_made_up_and_a_strange_number_are_not_adopted(till: Till) -> None:
    unpaid = await till.placed()
    await lose(till, unpaid)
    assert (await adopt(till, unpaid.out_trade_no)).outcome == "unpaid"
    assert (await adopt(till, new_ulid(till.clock.now()))).outcome == "absent"
    asked = till.wechat.calls["orderquery"]
    assert (await adopt(till, "T20261121000187")).outcome == "foreign"
    assert till.wechat.calls["orderquery"] == asked  # a number of another system's shape is not asked about
    assert await orders_of(till) == []


async def test_an_order_that_is_there_is_answered_as_it_is(till: Till) -> None:
    order = await till.placed()
    adopted = await adopt(till, order.out_trade_no)
    assert (adopted.outcome, adopted.order) == ("known", await till.order(order.id))
    assert till.wechat.calls["orderquery"] == 0


async def test_ten_at_once_adopt_it_once(till: Till) -> None:
    lost, body = await lost_payment(till)
    answers = await asyncio.gather(*(till.tell(body) for _ in range(5)))
    outcomes = await asyncio.gather(*(adopt(till, lost.out_trade_no) for _ in range(5)))
    assert all(answer.settled for answer in answers)
    assert {found.outcome for found in outcomes} == {"known"}
    assert len(await orders_of(till)) == 1
    assert [event.sequence for event in await till.events() if event.subject == lost.id] == [1]
    assert len(await healed(till)) == 1


async def test_foreign_messages_cannot_make_us_ask_without_end(till: Till) -> None:
    budget = Budget(till.clock, per_second=1, burst=2)
    frugal = Adoption(till.database, till.clock, till.keyring, till.wechat, budget)
    provider, tenant = till.caller.provider, till.caller.tenant
    found = [
        (await frugal.adopt(provider, tenant, OutTradeNo(new_ulid(till.clock.now())))).outcome
        for _ in range(5)
    ]
    assert found == ["absent", "absent", "unclear", "unclear", "unclear"]
    assert till.wechat.calls["orderquery"] == 2


async def test_A06_a_person_who_adopts_is_in_the_audit_log(till: Till) -> None:
    lost, _body = await lost_payment(till)
    adopted = await adopt(till, lost.out_trade_no, by=PERSON, facts=FACTS)
    assert adopted.order is not None
    assert adopted.order.created_by == "李会计"
    async with till.database.read(ProviderScope(till.scope.provider_id)) as session:
        query = select(AuditRow).where(AuditRow.chain == till.scope.provider_id)
        rows = list(await session.scalars(query))
    acts = [(row.action, row.actor_name, row.object_id, row.request_id) for row in rows]
    assert acts == [("order.adopted", "李会计", lost.id, "req_1")]


async def test_a_plain_merchants_lost_order_is_found_in_the_app_it_was_paid_in(till: Till) -> None:
    own = replace(
        till.caller,
        provider=replace(till.caller.provider, kind="merchant"),
        tenant=replace(till.caller.tenant, sub_mch_id=None),
    )
    till.callers[0] = own
    lost, body = await lost_payment(till)
    adopted = await adopt(till, lost.out_trade_no, appid=AppId(envelope.parse(body)["appid"]))
    assert adopted.outcome == "adopted"


async def test_N04_another_providers_signature_adopts_nothing(till: Till) -> None:
    lost, body = await lost_payment(till)
    (other,) = await add_provider(till, number=2, key="ZYXWVUTSRQPONMLKJIHGFEDCBA987654")
    till.callers.append(other)
    forged = dict(envelope.parse(body))
    forged["sign"] = signing.sign(
        {name: value for name, value in forged.items() if name != "sign"},
        V2Key(1, "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"),
        till.wechat.books[lost.out_trade_no or ""].sign_type,
    )
    assert not (await till.tell(envelope.build(forged))).settled
    assert not (await till.tell(envelope.build(forged), tenant=2)).settled
    assert await orders_of(till) == []
    assert till.wechat.calls["orderquery"] == 0


async def _as_before_the_payer_came(till: Till, order: OrderRecord) -> None:
    """Set the order's row back to what the backup holds; only a restore moves a state backwards."""
    orders = table_of(Order)
    async with till.database.write(till.scope) as session:
        mine = (orders.c.tenant_id == till.scope.tenant_id, orders.c.id == order.id)
        row = dict((await session.execute(select(orders).where(*mine))).mappings().one())
        await session.execute(delete(orders).where(*mine))
        kept = {"status": "created", "out_trade_no": None, "openid": None, "event_sequence": 0}
        await session.execute(orders.insert(), [row | kept])


async def _forget_everything_about(till: Till, order: OrderRecord) -> None:
    """Make room for another adoption of the same number: its attempt gets another one."""
    attempts = table_of(Attempt)
    async with till.database.write(till.scope) as session:
        await session.execute(
            update(attempts)
            .where(attempts.c.tenant_id == till.scope.tenant_id, attempts.c.order_id == order.id)
            .values(out_trade_no=new_ulid(till.clock.now()))
        )
        orders = table_of(Order)
        await session.execute(
            update(orders)
            .where(orders.c.tenant_id == till.scope.tenant_id, orders.c.id == order.id)
            .values(source="api_key", merchant_order_no=order.id)
        )
