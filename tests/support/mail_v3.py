"""A till whose provider goes by API v3, and WeChat telling it of payments and refunds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.refund_desk import RefundDesk, build_desk
from tests.support.till import FACTS, Till
from tests.support.till_v3 import build_till_v3
from tests.support.wechat_v3 import Sent, WechatV3

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.providers.models import KeyKind
from spcore.providers.profile import ProviderProfile
from sptenants.notify.answers import Answer
from sptenants.notify.echoes import Echoes
from sptenants.notify.journal import Incoming
from sptenants.notify.opening import Opener
from sptenants.notify.service import NotifyService
from sptenants.notify.watch import Watch
from sptenants.orders.records import OrderRecord
from sptenants.registry.door import Door


@dataclass(slots=True)
class Watched:
    """What the books of uses and the metrics were told."""

    met: list[tuple[str, str, bool]] = field(default_factory=list)
    """Kind, name, whether retiring."""
    refused: list[str] = field(default_factory=list)
    _named: list[tuple[KeyKind, str]] = field(default_factory=list)

    def watch(self) -> Watch:
        def note(_provider: str, channel: str, kind: KeyKind, name: str) -> None:
            assert channel == "notification"
            self._named.append((kind, name))

        def met(kind: str, retiring: bool) -> None:
            told, name = self._named.pop()
            assert told.value == kind
            self.met.append((kind, name, retiring))

        return Watch(note, met, lambda _version, reason: self.refused.append(reason))


@dataclass(slots=True)
class Mail:
    """Services, WeChat's side of them, and shortcuts for what tests do all the time."""

    till: Till
    wechat: WechatV3
    desk: RefundDesk
    echoes: Echoes
    watched: Watched

    async def paid(self, no: str = "T1", *, tenant: int = 0, amount: int | None = None) -> OrderRecord:
        """Place an order and have it paid; nobody was told of it."""
        order = await self.till.placed(no, tenant=tenant)
        assert order.out_trade_no is not None
        self.till.wechat.pay(order.out_trade_no, self.till.clock.now(), amount=amount)
        return order

    def letter(self, order: OrderRecord, **changes: Any) -> Sent:
        assert order.out_trade_no is not None
        return self.wechat.payment(order.out_trade_no, self.till.clock.now(), **changes)

    async def tell(self, sent: Sent, *, tenant: int = 0) -> Answer:
        incoming = Incoming("v3", "payment", sent.body, sent.headers, FACTS)
        return await self.till.notify.payment_v3(self.till.callers[tenant].tenant.route_key, incoming)

    async def tell_of_refund(self, sent: Sent, *, tenant: int = 0) -> Answer:
        incoming = Incoming("v3", "refund", sent.body, sent.headers, FACTS)
        return await self.desk.notices.refund_v3(self.till.callers[tenant].tenant.route_key, incoming)

    async def results(self, *, tenant: int = 0) -> Sequence[tuple[str, str | None, str]]:
        return [(row.result, row.reason, row.answered) for row in await self.till.journal(tenant=tenant)]


class Certificates:
    """WeChat's list of certificates; `new_epoch` is what asking for it comes to."""

    def __init__(self) -> None:
        self.asked = 0
        self.new_epoch: int | None = None

    async def learn(self, provider: ProviderProfile) -> int | None:
        self.asked += 1
        return self.new_epoch


async def open_mail(database: Database, clock: Clock) -> Mail:
    till, watched = await build_till_v3(database, clock), Watched()
    watch_over(till, till.certificates, watched)
    door = Door(database, clock)
    return Mail(
        till=till,
        wechat=WechatV3(books=till.wechat),
        desk=build_desk(till),
        echoes=Echoes(database, clock, door, till.notify),
        watched=watched,
    )


def watch_over(till: Till, certificates: Any, watched: Watched) -> None:
    """Have the till's notifications read with these certificates and told to these watchers."""
    opener = Opener(till.keyring, till.clock, certificates, watched.watch())
    door = Door(till.database, till.clock)
    till.notify = NotifyService(
        till.database, till.clock, door, till.keyring, till.wechat, till.adoption, opener
    )
