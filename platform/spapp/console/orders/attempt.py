"""Another attempt at an order, asked for by a person: another amount, or another way to pay."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import fen_of_yuan
from spapp.console.frame.forms import field as text_of
from spapp.console.frame.words import TRADE_TYPE
from spapp.console.frame.workplace import Work, Workplace, refused
from spcore.errors import DomainError, NotFound, Text
from sptenants.orders.commands import IdempotencyKey, NextAttempt, digest
from sptenants.orders.reader import OrderDetail, OrderReader
from sptenants.orders.service import OrderService
from sptenants.registry.caller import Caller
from sptenants.registry.errors import Forbidden
from wechatpay.gateway import TradeType

_WAYS = (TradeType.JSAPI, TradeType.NATIVE, TradeType.APP)
"""What needs nothing of the payer's that only the merchant's server could know."""
_FIELDS = {"trade_type": "way", "sub_appid": "way", "openid": "way"}
_NO_AMOUNT = Text(
    "请填写以元为单位、最多两位小数的金额。", "Write the amount in yuan, with at most two decimals."
)
_NO_WAY = Text("请选择支付方式。", "Choose a way to pay.")


@dataclass(frozen=True, slots=True)
class AttemptForm:
    """The fields as typed. `key` makes sending it again find the same attempt; `faults` by field."""

    amount: str
    way: str
    key: str
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def opened(cls, detail: OrderDetail) -> AttemptForm:
        return cls(detail.order.amount.yuan, detail.order.trade_type, secrets.token_urlsafe(24))

    @classmethod
    def read(cls, form: Any) -> AttemptForm:
        return cls(text_of(form, "amount").strip(), text_of(form, "way"), text_of(form, "key")[:64])

    def wanted(self) -> NextAttempt | dict[str, Text]:
        """Return what is asked for, or what is wrong by field."""
        amount, faults = fen_of_yuan(self.amount), {}
        if amount is None or amount.value == 0:
            faults["amount"] = _NO_AMOUNT
        if self.way not in set(_WAYS):
            faults["way"] = _NO_WAY
        return faults or NextAttempt(amount=amount, trade_type=TradeType(self.way))


@dataclass(frozen=True, slots=True)
class AttemptDesk:
    place: Workplace
    reader: OrderReader
    orders: OrderService

    async def show_form(self, order_id: str) -> Response[str]:
        """Answer with the form. Raises NotFound."""
        detail = await self.reader.detail(self.place.scope, order_id)
        return await self._show(detail, AttemptForm.opened(detail))

    async def request(self, order_id: str) -> Response[Any]:
        """Make the attempt, or show the form again with what was wrong. Raises NotFound."""
        detail = await self.reader.detail(self.place.scope, order_id)
        form = AttemptForm.read(await self.place.request.form())
        wanted = form.wanted()
        if not isinstance(wanted, NextAttempt):
            return refused(await self._show(detail, replace(form, faults=wanted)))
        facts = self.place.facts
        content = digest({"order": order_id, **wanted.content()})
        key = IdempotencyKey("POST /v1/orders/attempts", form.key, content) if form.key else None
        caller = Caller(detail.provider, detail.tenant, self.place.staff.actor)
        try:
            await self.orders.replace_attempt(caller, order_id, wanted, peer=facts.peer, key=key, facts=facts)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            again = replace(form, key=secrets.token_urlsafe(24), faults=faults_by_field(refusal, _FIELDS))
            return refused(await self._show(detail, again), refusal)
        return Redirect(f"{self.place.orders}/{order_id}", status_code=303)

    async def _show(self, detail: OrderDetail, form: AttemptForm) -> Response[str]:
        return await self.place.show(
            "orders/attempt.html",
            current=self.place.orders,
            order=detail.order,
            form=form,
            faults=form.faults,
            ways={way.value: TRADE_TYPE[way.value] for way in _WAYS},
            order_url=f"{self.place.orders}/{detail.order.id}",
        )


Attempting = NamedDependency[SkipValidation[AttemptDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_attempt_desk(
    place: Work, order_reader: NamedDependency[OrderReader], orders: NamedDependency[OrderService]
) -> AttemptDesk:
    return AttemptDesk(place, order_reader, orders)


attempt_desk = Provide(_provide_attempt_desk, sync_to_thread=False)
