"""The refund pages of an area: the dialog on an order, the list, one refund and the second person's word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts
from spapp.accounts.second_factor import SecondFactors
from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import PAGE_SIZE, Notice, Work, Workplace, refused
from spapp.console.refunds.form import Limits, RefundForm, new_key
from spapp.console.refunds.query import TABS, RefundQuery
from spapp.console.refunds.views import RefundLine, RefundView, Typed, refundable
from spapp.console.saved_views.service import SavedViews
from spapp.console.saved_views.shelf import shelf_of
from spapp.web.i18n import N_
from spapp.web.pages import money
from spcore.db.scope import ProviderScope, TenantScope
from spcore.errors import DomainError, Fault, InvalidInput, NotFound, Text
from sptenants.orders.reader import OrderReader
from sptenants.orders.records import OrderRecord
from sptenants.orders.refund_words import REFUND_STATUS_WORDS
from sptenants.refunds.commands import MAX_REASON
from sptenants.refunds.errors import AmountExceedsRefundable, RefundConflict, RefundRejected
from sptenants.refunds.reader import RefundReader
from sptenants.refunds.records import RefundRecord
from sptenants.refunds.service import RefundService
from sptenants.refunds.states import RefundStatus
from sptenants.registry.errors import Forbidden
from wechatpay.money import Fen

_MADE = {"HX-Trigger": "list-outdated, detail-outdated"}
"""Tells order and list behind the dialog that they are out of date; the dialog closes at it."""

_SENT_BEFORE = Text(
    "这个表单已经发起过一笔退款，内容与现在不同。请先核对订单的退款记录，确认还要退再提交。",
    "This form has already made a refund with other content. Look at the order's refunds first, and send it"
    " again only if another one is meant.",
)
_APPROVED = Text("批准了一笔大额退款", "approved a large refund")
_NO_REASON = Text("请填写不批准的原因。", "Say why you decline.")


@dataclass(frozen=True, slots=True)
class RefundDesk:
    place: Workplace
    orders: OrderReader
    reader: RefundReader
    refunds: RefundService
    second_factors: SecondFactors
    saved_views: SavedViews

    @property
    def base(self) -> str:
        return f"{self.place.base}/refunds"

    # --- the dialog on an order ----------------------------------------------------------------------

    async def show_form(self, order_id: str) -> Response[str]:
        """Open the dialog. Raises NotFound, and Forbidden for whoever may not refund."""
        order, limits = await self._order(order_id)
        return await self._form(order, limits, RefundForm.opened(limits))

    async def request(self, order_id: str) -> Response[Any]:
        """Make the refund that the dialog asks for, or show the dialog again with what was wrong.

        Raises NotFound, and Forbidden for whoever may not refund (F07).
        """
        order, limits = await self._order(order_id)
        form = RefundForm.read(await self.place.request.form())
        faults, amount = form.check(limits), form.fen
        if faults or amount is None:
            return await self._again(order, limits, form, faults)
        if limits.needs_code(amount) and (wrong := await self._prove(form.code, "refund")):
            return await self._again(order, limits, form, {"code": wrong.text}, wrong)
        staff, scope = self.place.staff, TenantScope(order.provider_id, order.tenant_id)
        try:
            await self.refunds.request(
                scope,
                order_id,
                form.wanted(amount),
                staff.actor,
                key=form.idempotency(order, amount),
                facts=self.place.facts,
                needs_approval=limits.needs_approval(amount),
            )
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            order, limits = await self._order(order_id)
            return await self._again(order, limits, *_explained(form, refusal), refusal)
        if self.place.wants_part:
            return Response(b"", status_code=204, headers=_MADE)
        return Redirect(f"{self.place.orders}/{order_id}", status_code=303)

    async def _order(self, order_id: str) -> tuple[OrderRecord, Limits]:
        order = await self.orders.record(self.place.scope, order_id)
        self.place.require(self.place.rights.refund)
        above = await self.reader.approval_limit(TenantScope(order.provider_id, order.tenant_id))
        return order, Limits(refundable(order), above, self.place.staff.has_second_factor)

    async def _form(self, order: OrderRecord, limits: Limits, form: RefundForm) -> Response[str]:
        return await self.place.show_detail(
            "refunds/form.html",
            "refunds/form_page.html",
            order=order,
            limits=limits,
            form=form,
            max_reason=MAX_REASON,
            order_url=f"{self.place.orders}/{order.id}",
            current=self.place.orders,
        )

    async def _again(
        self,
        order: OrderRecord,
        limits: Limits,
        form: RefundForm,
        faults: dict[str, Text],
        refusal: DomainError | None = None,
    ) -> Response[str]:
        shown = await self._form(order, limits, replace(form, code="", faults=faults))
        return refused(shown, refusal)

    # --- list ----------------------------------------------------------------------------------------

    async def show_list(self) -> Response[str]:
        """Answer with the list that the address bar asks for."""
        query = RefundQuery.parse(self.base, self.place.request.query_params, self.place.now)
        try:
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE, query.cursor)
        except InvalidInput as refusal:
            query = query.first_page(*(fault.text for fault in refusal.faults))
            found = await self.reader.list(self.place.scope, query.to_filter(), PAGE_SIZE)
        return await self.place.show(
            "refunds/list.html",
            place=self.place,
            heading=N_("退款"),
            current=self.base,
            query=query,
            tabs=[(word, query.url(tab=tab), tab is query.tab) for tab, word in TABS.items()],
            rows=[(row, RefundLine.of(row.refund, self.place)) for row in found.rows],
            next_url=query.next_url(found.next_cursor),
            shelf=await shelf_of(self.place, self.saved_views, "refunds", query),
            **await self._choices(query),
        )

    async def _choices(self, query: RefundQuery) -> dict[str, Any]:
        """Return what the tenant filter offers; a merchant has no other tenant to choose."""
        if not isinstance(self.place.scope, ProviderScope):
            return {"tenants": None, "providers": None}
        tenants = await tenant_choices(
            self.place.database,
            self.place.scope,
            chosen=query.tenant,
            provider_id=self.place.scope.provider_id,
        )
        return {"tenants": tenants.options, "tenant_word": tenants.chosen, "providers": None}

    # --- one refund ----------------------------------------------------------------------------------

    async def show_refund(
        self, refund_id: str, said: Notice | None = None, typed: Typed | None = None
    ) -> Response[str]:
        """Answer with one refund. Raises NotFound, also for somebody else's (rule Y3)."""
        refund = await self.reader.record(self.place.scope, refund_id)
        detail = await self.orders.detail(self.place.scope, refund.order_id)
        view = RefundView(
            self.place, refund, detail.order, detail.tenant.name, detail.tenant.sub_mch_id, said, typed
        )
        return await self.place.show_detail(
            "refunds/detail.html",
            "refunds/page.html",
            view=view,
            refund=refund,
            order=detail.order,
            max_reason=MAX_REASON,
            heading=N_("退款"),
            list_url=self.base,
            current=self.base,
        )

    async def sync(self, refund_id: str) -> Response[Any]:
        """Ask WeChat what became of the refund. Raises NotFound."""

        async def ask(scope: TenantScope) -> Notice:
            return _answer(await self.refunds.sync(scope, refund_id, self.place.staff.actor))

        return await self._act(refund_id, ask)

    async def approve(self, refund_id: str) -> Response[Any]:
        """Let a refund go that somebody else asked for. Raises NotFound; Forbidden for one's own (F07)."""
        form = await self.place.request.form()
        code = field(form, "code").strip()

        async def ask(scope: TenantScope) -> Notice | None:
            if self.place.staff.has_second_factor and (wrong := await self._prove(code, "approve")):
                raise wrong
            await self.refunds.approve(scope, refund_id, self.place.staff.actor, self.place.facts)
            await tell_others(self.place, _APPROVED)
            return None

        return await self._act(refund_id, ask, Typed("approve"))

    async def decline(self, refund_id: str) -> Response[Any]:
        """Give up a refund that waits for a second person, with the reason. Raises what `approve` raises."""
        reason = field(await self.place.request.form(), "reason").strip()

        async def ask(scope: TenantScope) -> Notice | None:
            if not reason:
                raise InvalidInput(Fault("#/reason", "missing", _NO_REASON))
            actor, facts = self.place.staff.actor, self.place.facts
            await self.refunds.decline(scope, refund_id, actor, reason, facts)
            return None

        return await self._act(refund_id, ask, Typed("decline", reason))

    async def _act(
        self,
        refund_id: str,
        do: Callable[[TenantScope], Awaitable[Notice | None]],
        typed: Typed | None = None,
    ) -> Response[Any]:
        """Do it in the refund's own tenant; what was typed is shown again when it was refused."""
        refund = await self.reader.record(self.place.scope, refund_id)

        async def done() -> Notice | None:
            return await do(refund.scope)

        async def shown(notice: Notice | None) -> Response[str]:
            was_refused = notice is not None and notice.tone == "bad"
            return await self.show_refund(refund_id, notice, typed if was_refused else None)

        return await self.place.act(f"{self.base}/{refund_id}", done, shown)

    async def _prove(self, code: str, purpose: str) -> SecondFactorRefused | TooManyAttempts | None:
        """Use a current code up (S12); the refusal instead of an exception, for whoever shows it."""
        try:
            await self.second_factors.prove(self.place.staff, code, visitor(self.place.request), purpose)
        except (SecondFactorRefused, TooManyAttempts) as refusal:
            return refusal
        return None


Refunding = NamedDependency[SkipValidation[RefundDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_refund_desk(
    place: Work,
    order_reader: NamedDependency[OrderReader],
    refund_reader: NamedDependency[RefundReader],
    refunds: NamedDependency[RefundService],
    second_factors: NamedDependency[SecondFactors],
    saved_views: NamedDependency[SavedViews],
) -> RefundDesk:
    return RefundDesk(place, order_reader, refund_reader, refunds, second_factors, saved_views)


refund_desk = Provide(_provide_refund_desk, sync_to_thread=False)


def _explained(form: RefundForm, refusal: DomainError) -> tuple[RefundForm, dict[str, Text]]:
    """Return the dialog to show again, with the refusal at the field it is about.

    The key stays, so that sending it again cannot refund twice; it is a new one only when the old one is
    known to stand for a refund that came to nothing, or for another one that was made.
    """
    if isinstance(refusal, AmountExceedsRefundable):
        return form, {"amount": _too_much(refusal.refundable)}
    if isinstance(refusal, RefundConflict):
        return replace(form, key=new_key()), {"form": _SENT_BEFORE}
    if isinstance(refusal, RefundRejected):
        return replace(form, key=new_key()), {"form": refusal.text}
    return form, {"form": refusal.text}


def _too_much(rest: Fen) -> Text:
    return Text(
        f"超过可退金额：现在最多可退 {money(rest)}。",
        f"More than what is left: {money(rest)} can be refunded now.",
    )


def _answer(refund: RefundRecord) -> Notice:
    words = REFUND_STATUS_WORDS[refund.status]
    text = Text(f"已向微信查询，退款状态：{words.zh}。", f"WeChat was asked. The refund is {words.en}.")
    return Notice("ok" if refund.status is RefundStatus.SUCCEEDED else "info", text)
