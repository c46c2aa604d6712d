"""A day's business while WeChat goes wrong in every way it knows, on every way that business takes."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.installation import COFFEE, FLOWERS, MARKET, new_openid
from tests.support.street import Street

from spsim.faults import HELD, KINDS
from spsim.v3 import paths

BY_V2, BY_V3 = (COFFEE, FLOWERS, None), (MARKET,)
"""Two sub-merchants and a plain merchant; and a bank's sub-merchant that goes by v3."""
SHOPS = (*BY_V2, *BY_V3)

CALLS = (
    "/pay/unifiedorder",
    "/pay/orderquery",
    "/pay/closeorder",
    "/pay/micropay",
    "/secapi/pay/reverse",
    "/secapi/pay/refund",
    "/pay/refundquery",
    paths.PREPAY["native"],
    paths.BY_NUMBER,
    paths.CLOSE,
    paths.REFUNDS,
    paths.REFUND,
)
MESSAGES = ("notify", "notify_refund")
BILLS = (
    "/pay/downloadbill",
    "/pay/downloadfundflow",
    paths.TRADE_BILL,
    paths.FUND_BILL,
    paths.BILL_FILE,
)
_PARAMS: Mapping[str, Mapping[str, Any]] = {
    "delay": {"ms": 50},
    "slow_drip": {"interval_ms": 1000},
    "replay": {"n": 2, "after_ms": 50},
    "reorder": {"max_wait_ms": 200},
    "set_fields": {"fields": {"future_field": "1"}},
}
_OF_BILLS: Mapping[str, Mapping[str, Any]] = {"slow_drip": {"interval_ms": 1}}
"""A file may take minutes: as long as it comes on, nothing is wrong with it."""
_TAKEN = frozenset({200, 201, 202})
_REFUSED = frozenset({409, 422, 429, 503})
"""What a merchant may be told while WeChat is in trouble; each is tried again or given up."""


@dataclass
class Day:
    """What was ordered while everything went wrong, by merchant."""

    at: Street
    orders: dict[str | None, list[Any]] = field(default_factory=lambda: {shop: [] for shop in SHOPS})
    strange: list[str] = field(default_factory=list)
    """Answers that nobody should get."""

    # --- what goes wrong --------------------------------------------------------------------------

    def order_faults(self, paths_of: Iterable[str]) -> None:
        """Put every kind of these paths on order, but for the one that holds everything."""
        for path in paths_of:
            of_bills = _OF_BILLS if path in BILLS else {}
            for kind in KINDS[path]:
                if kind != HELD:
                    self.at.fault(path, kind, **(_PARAMS | of_bills).get(kind, {}))

    def waiting(self) -> list[tuple[str, str]]:
        """Return the faults that nobody has met yet."""
        faults = self.at.house.phone.get("/_sim/faults").json()["faults"]
        return [(fault["path"], fault["kind"]) for fault in faults]

    def stopped(self, paths_of: Iterable[str], business: Callable[[], None]) -> None:
        """Have WeChat say nothing at all on these paths while business goes on."""
        for path in paths_of:
            self.at.fault(path, HELD)
        business()
        self.at.house.clear_faults()

    # --- business ---------------------------------------------------------------------------------

    def business(self) -> None:
        """A round of it: orders, payments, codes, refunds by us and at WeChat, questions and closing."""
        with ThreadPoolExecutor(12) as merchants:
            rounds = [merchants.submit(self._sell, shop) for shop in (*SHOPS, *BY_V3)]
            rounds += [merchants.submit(self._close, shop) for shop in (*BY_V2, *BY_V3, *BY_V3)]
            rounds += [merchants.submit(self._codes, shop) for shop in BY_V2]
            for done in rounds:
                done.result()

    def _sell(self, shop: str | None) -> None:
        for _ in range(3):
            if (order := self._taken(self.at.house.try_order(shop))) is None:
                continue
            self.orders[shop].append(order)
            if self._pays(order):
                self._taken(self.at.post(shop, f"/v1/orders/{order['id']}/sync"))
        self._give_back(shop)

    def _close(self, shop: str | None) -> None:
        for _ in range(3):
            if (order := self._taken(self.at.house.try_order(shop))) is not None:
                self._taken(self.at.post(shop, f"/v1/orders/{order['id']}/close"))

    def _codes(self, shop: str | None) -> None:
        for behaviour in ("pay", "userpaying"):
            code = self.at.auth_code(behaviour)
            order = self._taken(self.at.house.try_order(shop, trade_type="MICROPAY", auth_code=code))
            if order is not None and behaviour == "userpaying":
                self._taken(self.at.post(shop, f"/v1/orders/{order['id']}/close"))

    def _pays(self, order: Any) -> bool:
        """The payer pays, if WeChat has the order."""
        body = {"out_trade_no": order["out_trade_no"], "openid": new_openid()}
        return self.at.house.phone.post("/_sim/pay", json=body).is_success

    def _give_back(self, shop: str | None) -> None:
        """Refund some of what was paid earlier, by us and by somebody at WeChat's own console."""
        paid = [order for order in self.orders[shop][-24:] if self._is_paid(shop, order)]
        for order in paid[-2:]:
            answer = self._taken(self.at.refund(shop, order["id"], 100 + secrets.randbelow(50)))
            if answer is not None:
                self._taken(self.at.post(shop, f"/v1/refunds/{answer['id']}/sync"))
        # By v3 a signed notification is proof, also of a refund that nobody here knows: one with a wrong
        # amount would be a difference for a person.
        for order in paid[:1] if shop in BY_V2 else ():
            body = {"out_trade_no": order["out_trade_no"], "amount": 7}
            assert self.at.house.phone.post("/_sim/refunds", json=body).status_code in {200, 409}

    def _is_paid(self, shop: str | None, order: Any) -> bool:
        return str(self.at.house.read(shop, order["id"])["status"]) == "paid"

    def _taken(self, answer: httpx.Response) -> Any:
        """Return what was answered, None when it was refused for now."""
        if answer.status_code in _TAKEN:
            return answer.json()
        if answer.status_code not in _REFUSED:
            self.strange.append(f"{answer.request.url.path}: {answer.status_code} {answer.text}")
        return None
