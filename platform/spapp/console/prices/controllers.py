"""The routes of the price list: the merchant's own."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath

from spapp.console.frame.places import MERCHANT, merchant_place
from spapp.console.prices.desk import Pricing, price_desk


class MerchantPrices(Controller):
    path = "/m/prices"
    opt = MERCHANT
    dependencies = {"place": merchant_place, "price_desk": price_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get("/")
    async def prices(self, price_desk: Pricing) -> Response[str]:
        return await price_desk.show_list()

    @post("/", status_code=200)
    async def add(self, price_desk: Pricing) -> Response[Any]:
        return await price_desk.add()

    @get("/{price_code:str}")
    async def price(self, price_code: FromPath[str], price_desk: Pricing) -> Response[str]:
        return await price_desk.show_price(price_code)

    @post("/{price_code:str}", status_code=200)
    async def change(self, price_code: FromPath[str], price_desk: Pricing) -> Response[Any]:
        return await price_desk.change(price_code)

    @post("/{price_code:str}/remove", status_code=200)
    async def remove(self, price_code: FromPath[str], price_desk: Pricing) -> Response[Any]:
        return await price_desk.remove(price_code)
