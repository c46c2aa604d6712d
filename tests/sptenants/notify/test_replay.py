"""Replaying a stored notification: what it would do, having it done, and never twice (B-4, N17, N01)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select, text
from tests.support.refund_desk import LI, WANG, RefundDesk, build_desk
from tests.support.till import FACTS, KEY, Till, add_provider

from spcore.audit.models import AuditRow
from spcore.db.base import table_of
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import InvalidInput, NotFound
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from sptenants.notify.errors import MAX_REASON, NotReplayable
from sptenants.notify.journal import MAX_REFUSED_BODY, Incoming
from sptenants.notify.reader import NotificationReader
from sptenants.notify.replay import Preview, Replays
from sptenants.orders.models import AnomalyRow, Attempt, Order, TimelineEntry
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from sptenants.refunds.models import Refund
from sptenants.registry.door import Door
from wechatpay.credentials import V2Key
from wechatpay.money import Fen
from wechatpay.v2 import envelope

NEW_KEY = "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"
WHY = "密钥更换时漏处理"
_ORDERS, _ATTEMPTS, _NOTES, _ANOMALIES, _REFUNDS = (
    table_of(model) for model in (Order, Attempt, TimelineEntry, AnomalyRow, Refund)
)
_COUNTS = {"seen", "last_seen_at"}
"""How often something on the work list was seen: a replay is one more sighting."""


@dataclass(slots=True)
class ReplayDesk:
    """A till whose stored notifications can be replayed."""

    refunds: RefundDesk
    replays: Replays

    @property
    def till(self) -> Till:
        return self.refunds.till

    async def latest(self, *, tenant: int = 0) -> str:
        return (await self.till.journal(tenant=tenant))[-1].id

    async def preview(self, notification_id: str, *, tenant: int = 0) -> Preview:
        return await self.replays.preview(self.till.callers[tenant].scope, notification_id)

    async def apply(self, notification_id: str, *, tenant: int = 0, reason: str = WHY) -> str:
        scope = self.till.callers[tenant].scope
        return (await self.replays.apply(scope, notification_id, WANG, reason, FACTS)).result

    async def world(self) -> list[Any]:
        """Everything that a replay could change, without who looked at it when."""
        till, found = self.till, []
        for tenant in range(len(till.callers)):
            for row in await till.journal(tenant=tenant):
                found.append((row.id, row.result, row.reason, row.answered, row.received, row.order_id))
            found += [(event.id, event.type, event.sequence) for event in await till.events(tenant=tenant)]
            scope = till.callers[tenant].scope
            async with till.database.read(scope) as session:
                for table in (_ORDERS, _ATTEMPTS, _NOTES, _ANOMALIES, _REFUNDS):
                    columns = [column for column in table.c if column.name not in _COUNTS]
                    statement = select(*columns).where(table.c.tenant_id == scope.tenant_id)
                    found += sorted(str(tuple(row)) for row in await session.execute(statement))
        return found

    async def audited(self) -> list[tuple[str, str | None, str | None, dict[str, Any] | None]]:
        query = select(AuditRow).where(AuditRow.action == "notification.replayed").order_by(AuditRow.seq)
        async with self.till.database.read(PlatformScope("test")) as session:
            rows = list(await session.scalars(query))
        return [(row.actor_name, row.object_id, row.reason, row.after) for row in rows]


@pytest.fixture
def desk(till: Till) -> ReplayDesk:
    refunds = build_desk(till)
    door = Door(till.database, till.clock)
    replays = Replays(till.database, till.clock, door, till.notify, refunds.notices)
    return ReplayDesk(refunds, replays)


async def refused_first(desk: ReplayDesk) -> tuple[OrderRecord, str]:
    """Have a genuine notification refused because its key was not known yet; then let it be known."""
    order = await desk.till.placed()
    assert order.out_trade_no is not None
    desk.till.wechat.pay(order.out_trade_no, desk.till.clock.now())
    body = desk.till.wechat.notification(order.out_trade_no, V2Key(2, NEW_KEY))
    assert not (await desk.till.tell(body)).settled
    notification_id = await desk.latest()
    await change_key(desk.till)
    return order, notification_id


async def change_key(till: Till, secret: str = NEW_KEY) -> None:
    provider = till.caller.provider
    async with till.database.write(ProviderScope(provider.id)) as session:
        await put_key(
            session,
            till.vault,
            provider_id=provider.id,
            kind=KeyKind.API_V2,
            secret=secret.encode(),
            now=till.clock.now(),
        )


async def test_B4_a_preview_says_what_a_replay_would_do_and_does_nothing(desk: ReplayDesk) -> None:
    order, notification_id = await refused_first(desk)
    before = await desk.world()

    preview = await desk.preview(notification_id)

    assert (preview.effect, preview.result, preview.reason) == ("pays", "processed", None)
    assert (preview.before, preview.after, preview.order_id) == ("pending", "paid", order.id)
    assert (preview.told, preview.expected, preview.key_version) == (Fen(12800), Fen(12800), 2)
    assert await desk.world() == before
    assert await desk.audited() == []


async def test_B4_a_replay_takes_effect_with_its_reason_in_the_audit_log(desk: ReplayDesk) -> None:
    order, notification_id = await refused_first(desk)

    assert await desk.apply(notification_id) == "processed"

    paid = await desk.till.order(order.id)
    assert (paid.status, paid.paid_by) == (OrderStatus.PAID, "notify")
    (row,) = await desk.till.journal()
    assert (row.result, row.reason, row.answered, row.received) == ("processed", None, "SUCCESS", 1)
    assert (row.replayed_by, row.replay_reason, row.order_id) == ("王敏", WHY, order.id)
    assert await desk.audited() == [
        ("王敏", notification_id, WHY, {"result": "processed", "reason": None, "order_id": order.id})
    ]
    assert [event.type for event in await desk.till.events()] == ["payment.succeeded"]


async def every_kind(desk: ReplayDesk) -> dict[str, str]:
    """Fill the journal with a message of every result, and return their ids."""
    till, ids = desk.till, {}

    async def told(name: str, body: bytes, tenant: int = 0) -> None:
        await till.tell(body, tenant=tenant)
        ids[name] = await desk.latest(tenant=tenant)

    first = await till.placed("T1")
    await told("processed", await till.paid_body(first))
    assert first.out_trade_no is not None
    key = await till.signing_key()
    await told("another of a paid order", till.wechat.notification(first.out_trade_no, key))
    short = await till.placed("T2")
    await told("mismatch", await till.paid_body(short, amount=1))
    doubtful = await till.placed("T3")
    till.wechat.fail("orderquery", "lost")
    await told("deferred", await till.paid_body(doubtful, attach="a&b=c"))
    failed = await till.placed("T4")
    await told("no success", await till.paid_body(failed, result_code="FAIL"))
    other = await till.placed("T5")
    await told("of the neighbour", await till.paid_body(other), tenant=1)
    refunded = await desk.refunds.paid("T6")
    refund = (await desk.refunds.request(refunded, 100)).refund
    desk.refunds.settle(refund.out_refund_no)
    await desk.refunds.tell(refund.out_refund_no)
    ids["refund"] = await desk.latest()
    return ids


async def test_B4_N17_replaying_any_message_twice_changes_nothing_the_second_time(desk: ReplayDesk) -> None:
    ids = await every_kind(desk)
    _, ids["late key"] = await refused_first_of(desk, "T9")
    owners = {row.id: n for n in range(2) for row in await desk.till.journal(tenant=n)}

    for name, notification_id in ids.items():
        tenant = owners[notification_id]
        preview = await desk.preview(notification_id, tenant=tenant)
        before = await desk.world()
        first = await desk.apply(notification_id, tenant=tenant)
        once = await desk.world()
        second = await desk.apply(notification_id, tenant=tenant)
        assert await desk.world() == once, name
        assert {first, second} <= {preview.result, "duplicate", "processed"}, name
        if preview.effect == "none":
            assert once == before or name in ("of the neighbour", "no success"), name
    assert {"processed", "mismatch", "unmatched", "deferred"} & {
        row.result for row in await desk.till.journal()
    }


async def refused_first_of(desk: ReplayDesk, no: str) -> tuple[OrderRecord, str]:
    order = await desk.till.placed(no)
    assert order.out_trade_no is not None
    desk.till.wechat.pay(order.out_trade_no, desk.till.clock.now())
    await desk.till.tell(desk.till.wechat.notification(order.out_trade_no, V2Key(2, NEW_KEY)))
    notification_id = await desk.latest()
    await change_key(desk.till)
    return order, notification_id


async def test_B4_what_a_preview_says_is_what_happens(desk: ReplayDesk) -> None:
    ids = await every_kind(desk)
    for name in ("processed", "another of a paid order", "mismatch", "no success", "of the neighbour"):
        tenant = 1 if name == "of the neighbour" else 0
        preview = await desk.preview(ids[name], tenant=tenant)
        finding = await desk.replays.apply(desk.till.callers[tenant].scope, ids[name], WANG, WHY, None)
        assert (finding.result, finding.reason) == (preview.result, preview.reason), name


@pytest.mark.parametrize("forged", ["another key", "a changed field", "no form"])
async def test_N01_a_message_that_is_not_genuine_can_never_be_applied(desk: ReplayDesk, forged: str) -> None:
    order = await desk.till.placed()
    genuine = envelope.parse(await desk.till.paid_body(order))
    bodies = {
        "another key": envelope.build(genuine | {"sign": "A" * 64}),
        "a changed field": envelope.build(genuine | {"total_fee": "1"}),
        "no form": b"<xml><total_fee>1</total_fee></xml>",
    }
    await desk.till.tell(bodies[forged])
    notification_id, before = await desk.latest(), await desk.world()

    preview = await desk.preview(notification_id)
    with pytest.raises(NotReplayable):
        await desk.apply(notification_id)

    assert (preview.effect, preview.is_genuine) == ("refused", False)
    assert await desk.world() == before
    assert await desk.audited() == []
    assert (await desk.till.order(order.id)).status is OrderStatus.PENDING


async def test_K01_a_key_that_no_longer_counts_proves_nothing(desk: ReplayDesk) -> None:
    order = await desk.till.placed()
    body = await desk.till.paid_body(order)
    desk.till.wechat.fail("orderquery", *["lost"] * 9)
    await desk.till.tell(body.replace(b"CMB_DEBIT", b"CMB_CREDI"))
    notification_id = await desk.latest()
    await change_key(desk.till)
    desk.till.clock.advance(hours=49)
    desk.till.keyring._held.clear()
    assert (await desk.preview(notification_id)).effect == "refused"


async def test_a_message_of_which_only_the_beginning_was_kept_is_not_replayed(desk: ReplayDesk) -> None:
    long = b"<xml>" + b"<a>1</a>" * MAX_REFUSED_BODY
    await desk.till.tell(long)
    notification_id = await desk.latest()
    for act in (desk.preview, desk.apply):
        with pytest.raises(NotReplayable):
            await act(notification_id)


async def test_a_message_that_nothing_asked_for_is_not_replayed(desk: ReplayDesk) -> None:
    incoming = Incoming("v3", "complaint", b"{}", {}, FACTS)
    await desk.till.notify.not_in_use(desk.till.caller.tenant.route_key, incoming, "not_in_use")
    with pytest.raises(NotReplayable):
        await desk.preview(await desk.latest())


@pytest.mark.parametrize("reason", ["", "  ", "x" * (MAX_REASON + 1)])
async def test_a_replay_without_a_reason_does_nothing(desk: ReplayDesk, reason: str) -> None:
    _, notification_id = await refused_first(desk)
    before = await desk.world()
    with pytest.raises(InvalidInput):
        await desk.apply(notification_id, reason=reason)
    assert await desk.world() == before


async def test_T01_a_neighbours_notification_is_no_notification(desk: ReplayDesk, till: Till) -> None:
    _, notification_id = await refused_first(desk)
    (stranger,) = await add_provider(till, number=2, key=KEY)
    scopes = (till.callers[1].scope, stranger.scope, ProviderScope(stranger.provider.id))
    for scope in scopes:
        with pytest.raises(NotFound):
            await desk.replays.preview(scope, notification_id)
        with pytest.raises(NotFound):
            await desk.replays.apply(scope, notification_id, LI, WHY, None)
        with pytest.raises(NotFound):
            await NotificationReader(till.database).record(scope, notification_id)


async def test_a_lost_order_is_announced_and_rebuilt(desk: ReplayDesk) -> None:
    """D09: the row is gone, WeChat was unreachable when the notification came."""
    order = await desk.till.placed()
    body = await desk.till.paid_body(order)
    scope: TenantScope = desk.till.scope
    async with desk.till.database.write(scope) as session:
        for table in ("order_timeline", "idempotency_records", "order_attempts", "orders"):
            await session.execute(
                text(f"DELETE FROM {table} WHERE tenant_id = :tenant"),
                {"tenant": scope.tenant_id},
                execution_options={"wxsp_guard_off": True},
            )
    desk.till.wechat.fail("orderquery", "lost")
    assert not (await desk.till.tell(body)).settled
    notification_id = await desk.latest()

    assert (await desk.preview(notification_id)).effect == "adopts"
    assert await desk.apply(notification_id) == "processed"
    assert (await desk.till.journal())[0].reason == "adopted"


async def test_a_refund_notification_is_replayed_by_asking_wechat(desk: ReplayDesk) -> None:
    order = await desk.refunds.paid()
    refund = (await desk.refunds.request(order, 500)).refund
    desk.refunds.settle(refund.out_refund_no)
    desk.till.wechat.fail("refundquery", "lost")
    assert not (await desk.refunds.tell(refund.out_refund_no)).settled
    notification_id = await desk.latest()

    preview = await desk.preview(notification_id)
    assert (preview.effect, preview.result, preview.before) == ("asks", "deferred", "processing")
    assert await desk.apply(notification_id) == "processed"
    assert (await desk.refunds.refund(refund.id)).status.value == "succeeded"
    assert (await desk.preview(notification_id)).effect == "none"
