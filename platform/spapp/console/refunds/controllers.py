"""The routes of the refund pages: the same in the service provider's and in the merchant's area."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import (
    CONSOLE,
    MAY_REFUND,
    MAY_SYNC,
    MERCHANT,
    merchant_place,
    provider_place,
)
from spapp.console.refunds.desk import Refunding, refund_desk
from sptenants.registry.access import access


class RefundPages(Controller):
    """What both areas have; each says where it lies and who may do what."""

    include_in_schema = False

    @get("/refunds")
    async def refunds(self, refund_desk: Refunding) -> Response[str]:
        return await refund_desk.show_list()

    @get("/refunds/{refund_id:str}")
    async def refund(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[str]:
        return await refund_desk.show_refund(refund_id)


class ConsoleRefunds(RefundPages):
    path = "/console"
    opt = CONSOLE
    dependencies = {"place": provider_place, "refund_desk": refund_desk}  # noqa: RUF012 - the framework reads it

    @get("/orders/{order_id:str}/refund", opt=access("console", *MAY_REFUND))
    async def form(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[str]:
        return await refund_desk.show_form(order_id)

    @post("/orders/{order_id:str}/refund", status_code=200, opt=access("console", *MAY_REFUND))
    async def request(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.request(order_id)

    @post("/refunds/{refund_id:str}/sync", status_code=200, opt=access("console", *MAY_SYNC))
    async def sync(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.sync(refund_id)

    @post("/refunds/{refund_id:str}/approve", status_code=200, opt=access("console", *MAY_REFUND))
    async def approve(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.approve(refund_id)

    @post("/refunds/{refund_id:str}/decline", status_code=200, opt=access("console", *MAY_REFUND))
    async def decline(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.decline(refund_id)


class MerchantRefunds(RefundPages):
    """Refunding is the service provider's to allow, tenant by tenant; the desk refuses where it is not."""

    path = "/m"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "refund_desk": refund_desk}  # noqa: RUF012 - the framework reads it

    @get("/orders/{order_id:str}/refund")
    async def form(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[str]:
        return await refund_desk.show_form(order_id)

    @post("/orders/{order_id:str}/refund", status_code=200)
    async def request(self, order_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.request(order_id)

    @post("/refunds/{refund_id:str}/sync", status_code=200)
    async def sync_refund(self, refund_id: FromPath[str], refund_desk: Refunding) -> Response[Any]:
        return await refund_desk.sync(refund_id)
