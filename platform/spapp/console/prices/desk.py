"""The price list: what is shown of it, and how it is kept. One desk a request."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.frame.forms import field
from spapp.console.frame.places import tenant_scope
from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import CHANGED, Notice, Work, Workplace, refused
from spapp.console.prices.form import PriceForm, faults_of
from spapp.web.i18n import N_
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput, Text
from sptenants.prices.editing import MOST, PriceEditing, PriceRecord

_FOR_SALE = Chip("ok", N_("在售"))
_NOT_FOR_SALE = Chip("mute", N_("已停售"))
_SAVED = Notice("ok", Text("已保存，新订单按此价目下单。", "Saved. New orders use it."))
_NOT_CONFIRMED = Notice(
    "bad",
    Text("没有删除：请在页面上确认要删除的价目。", "Nothing was removed: confirm on the page which price."),
)
_LONGEST_Q = 64


@dataclass(frozen=True, slots=True)
class PriceLine:
    price: PriceRecord
    url: str

    @property
    def chip(self) -> Chip:
        return _FOR_SALE if self.price.active else _NOT_FOR_SALE


@dataclass(frozen=True, slots=True)
class PriceDesk:
    place: Workplace
    editing: PriceEditing

    @property
    def base(self) -> str:
        return f"{self.place.base}/prices"

    @property
    def scope(self) -> TenantScope:
        return tenant_scope(self.place.staff)

    async def show_list(self, form: PriceForm | None = None) -> Response[str]:
        """Answer with the list; `form` is the new price as it was typed, when it was refused."""
        q = self.place.request.query_params.get("q", "").replace("\0", "").strip()[:_LONGEST_Q]
        prices = await self.editing.list(self.scope, q or None)
        return await self.place.show(
            "prices/list.html",
            current=self.base,
            base=self.base,
            q=q,
            rows=[PriceLine(price, self._url(price.code)) for price in prices],
            most=MOST,
            form=form or PriceForm(),
        )

    async def add(self) -> Response[Any]:
        """Put a price on the list and lead back to it, or show the form again with what was wrong."""
        form = PriceForm.read(await self.place.request.form())
        new, faults = form.check()
        if new is not None:
            try:
                await self.editing.add(self.scope, new, self.place.staff.actor, self.place.facts)
            except InvalidInput as refusal:
                faults = faults_of(refusal)
            else:
                return Redirect(self.base, status_code=303)
        return refused(await self.show_list(replace(form, faults=faults)))

    async def show_price(
        self, code: str, form: PriceForm | None = None, said: Notice | None = None
    ) -> Response[str]:
        """Answer with one price and its form. Raises NotFound."""
        price = await self.editing.price(self.scope, code)
        return await self.place.show_detail(
            "prices/detail.html",
            "prices/page.html",
            line=PriceLine(price, self._url(code)),
            form=form or PriceForm.of(price),
            said=said,
            list_url=self.base,
            current=self.base,
        )

    async def change(self, code: str) -> Response[Any]:
        """Store the price anew, or show the form again with what was wrong. Raises NotFound."""
        form = PriceForm.read(await self.place.request.form(), code)
        new, faults = form.check()
        if new is None:
            return refused(await self.show_price(code, replace(form, faults=faults)))
        await self.editing.change(self.scope, new, self.place.staff.actor, self.place.facts)
        if not self.place.wants_part:
            return Redirect(self._url(code), status_code=303)
        answer = await self.show_price(code, said=_SAVED)
        answer.headers |= CHANGED
        return answer

    async def remove(self, code: str) -> Response[Any]:
        """Take the price off the list and lead back to it; the form confirms which. Raises NotFound."""
        form = await self.place.request.form()
        if field(form, "confirmed") != code:
            return refused(await self.show_price(code, said=_NOT_CONFIRMED))
        await self.editing.remove(self.scope, code, self.place.staff.actor, self.place.facts)
        return Redirect(self.base, status_code=303)

    def _url(self, code: str) -> str:
        return f"{self.base}/{quote(code, safe='')}"


Pricing = NamedDependency[SkipValidation[PriceDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_price_desk(place: Work, price_editing: NamedDependency[PriceEditing]) -> PriceDesk:
    return PriceDesk(place, price_editing)


price_desk = Provide(_provide_price_desk, sync_to_thread=False)
