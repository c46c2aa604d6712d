"""Paths of the controls and of the phone page."""

from __future__ import annotations

from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from .bills.controls import BillControls
from .control_input import ControlRefused, Document
from .controls import Controls
from .front import Front
from .misconfigurations import Misconfigurations
from .money_controls import MoneyControls
from .phone import Phone, View
from .v3.flood import Flooding
from .v3.key_controls import KeyControls

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_PEM = "application/x-pem-file"
_AnyRequest = Request[object, object, State]


def refused(_request: _AnyRequest, error: ControlRefused) -> Response[Document]:
    """Answer a refused control as JSON."""
    body: Document = {"error": error.code, "message": error.message, "detail": error.detail}
    return Response(body, status_code=error.status)


def control_routes(controls: Controls) -> list[HTTPRouteHandler]:
    """Return the routes of the JSON controls."""

    @get("/_sim/")
    async def index() -> Document:
        return controls.index()

    @get("/_sim/ca", media_type=_PEM)
    async def authority() -> str:
        return controls.ca_pem()

    @post("/_sim/providers", status_code=200)
    async def providers(data: JSONBody[Document]) -> Document:
        return controls.providers(data)

    @post("/_sim/codes", status_code=200)
    async def codes(data: JSONBody[Document]) -> Document:
        return controls.codes(data)

    @post("/_sim/pay", status_code=200)
    async def pay(data: JSONBody[Document]) -> Document:
        return controls.pay(data)

    @get("/_sim/ledger")
    async def ledger(out_trade_no: FromQuery[str | None] = None) -> Document:
        return controls.ledger(out_trade_no)

    @get("/_sim/faults")
    async def faults() -> Document:
        return controls.faults()

    @post("/_sim/faults", status_code=200)
    async def add_fault(data: JSONBody[Document]) -> Document:
        return controls.add_fault(data)

    @delete("/_sim/faults")
    async def clear_faults() -> None:
        controls.clear_faults()

    @get("/_sim/clock")
    async def clock() -> Document:
        return controls.clock()

    @post("/_sim/clock", status_code=200)
    async def set_clock(data: JSONBody[Document]) -> Document:
        return controls.set_clock(data)

    @post("/_sim/notify/{out_trade_no:str}", status_code=200)
    async def notify(out_trade_no: FromPath[str], request: _AnyRequest) -> Document:
        document = await request.json() if await request.body() else {}
        if not isinstance(document, dict):
            raise ControlRefused(400, "BAD_REQUEST", "请求有误", "the body must be a JSON object")
        return await controls.notify(out_trade_no, document)

    return [
        index,
        authority,
        providers,
        codes,
        pay,
        ledger,
        faults,
        add_fault,
        clear_faults,
        clock,
        set_clock,
        notify,
    ]


def money_routes(money: MoneyControls) -> list[HTTPRouteHandler]:
    """Return the routes of the controls of refunds and payment codes."""

    @post("/_sim/auth_codes", status_code=200)
    async def auth_codes(data: JSONBody[Document]) -> Document:
        return money.auth_code(data)

    @post("/_sim/refunds", status_code=200)
    async def refunds(data: JSONBody[Document]) -> Document:
        return money.refund(data)

    @post("/_sim/refunds/{out_refund_no:str}", status_code=200)
    async def decide_refund(out_refund_no: FromPath[str], data: JSONBody[Document]) -> Document:
        return money.decide_refund(out_refund_no, data)

    @get("/_sim/settlement")
    async def settlement() -> Document:
        return money.settlement()

    @post("/_sim/settlement", status_code=200)
    async def set_settlement(data: JSONBody[Document]) -> Document:
        return money.set_settlement(data)

    @post("/_sim/balances", status_code=200)
    async def balances(data: JSONBody[Document]) -> Document:
        return money.balance(data)

    @get("/_sim/limits")
    async def limits() -> Document:
        return money.limits()

    @post("/_sim/limits", status_code=200)
    async def set_limits(data: JSONBody[Document]) -> Document:
        return money.set_limits(data)

    return [auth_codes, refunds, decide_refund, settlement, set_settlement, balances, limits, set_limits]


def bill_routes(bills: BillControls) -> list[HTTPRouteHandler]:
    """Return the routes of the controls of bills."""

    @get("/_sim/bills")
    async def described() -> Document:
        return bills.describe()

    @post("/_sim/bills", status_code=200)
    async def change(data: JSONBody[Document]) -> Document:
        return bills.change(data)

    @post("/_sim/bills/differences", status_code=200)
    async def plant(data: JSONBody[Document]) -> Document:
        return bills.plant(data)

    @delete("/_sim/bills/differences")
    async def clear() -> None:
        bills.clear()

    return [described, change, plant, clear]


def key_routes(keys: KeyControls) -> list[HTTPRouteHandler]:
    """Return the routes of the controls of WeChat's keys."""

    @get("/_sim/v3/keys")
    async def described(mch_id: FromQuery[str | None] = None) -> Document:
        return keys.describe(mch_id)

    @post("/_sim/v3/keys", status_code=200)
    async def change(data: JSONBody[Document]) -> Document:
        return keys.change(data)

    return [described, change]


def flood_routes(flooding: Flooding) -> list[HTTPRouteHandler]:
    """Return the route of the flood."""

    @post("/_sim/v3/flood", status_code=200)
    async def flood(data: JSONBody[Document]) -> Document:
        return await flooding.run(data)

    return [flood]


def misconfiguration_routes(misconfigurations: Misconfigurations, front: Front) -> list[HTTPRouteHandler]:
    """Return the routes of what is set up wrongly, at WeChat and before a notify address."""

    @get("/_sim/misconfigurations")
    async def index() -> Document:
        return misconfigurations.describe()

    @post("/_sim/misconfigurations", status_code=200)
    async def misconfigure(data: JSONBody[Document]) -> Document:
        return misconfigurations.set(data)

    @delete("/_sim/misconfigurations")
    async def clear() -> None:
        misconfigurations.clear()

    @post("/_sim/front", status_code=200)
    async def set_front(data: JSONBody[Document]) -> Document:
        return front.set(data)

    return [index, misconfigure, clear, set_front]


def phone_routes(phone: Phone) -> list[HTTPRouteHandler]:
    """Return the routes of the phone page."""

    def page(view: View) -> Response[str]:
        return Response(phone.render(view), media_type="text/html", headers=_PAGE_HEADERS)

    @get("/_sim/phone/{prepay_id:str}")
    async def open_cashier(prepay_id: FromPath[str], request: _AnyRequest) -> Response[str]:
        return page(phone.open(prepay_id, {name: str(value) for name, value in request.query_params.items()}))

    @post("/_sim/phone/{prepay_id:str}", status_code=200)
    async def act(prepay_id: FromPath[str], request: _AnyRequest) -> Response[str]:
        form = await request.form()
        return page(phone.act(prepay_id, {name: str(value) for name, value in form.items()}))

    @get("/_sim/phone.css", media_type="text/css")
    async def stylesheet() -> str:
        return phone.stylesheet()

    return [open_cashier, act, stylesheet]
