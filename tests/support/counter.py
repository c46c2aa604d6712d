"""The order and notify routes over a till, as an application of their own: no sign-in, a chosen caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
from litestar import Litestar, Request
from litestar.di import Provide
from litestar.types import ASGIApp, Receive, Scope, Send
from tests.support.refund_desk import build_desk
from tests.support.till import MINI, Till

from spapp.exports.statement_file import StatementFileController
from spapp.web import problems
from sptenants.anomalies.controller import AnomalyController, HealController
from sptenants.anomalies.service import Anomalies
from sptenants.notify.challenge import Challenges
from sptenants.notify.controller import NotifyController
from sptenants.notify.echoes import Echoes
from sptenants.orders.adoption_controller import AdoptionController
from sptenants.orders.controller import OrderController
from sptenants.orders.mini_controller import MiniOrderController
from sptenants.reconciliation.controller import StatementController
from sptenants.reconciliation.reader import DifferenceReader, StatementReader
from sptenants.refunds.controller import OrderRefundController, RefundController
from sptenants.registry.caller import Payer
from sptenants.registry.door import Door
from sptenants.webhooks.controller import EventController
from sptenants.webhooks.reader import WebhookReader

CHOSEN = "x-test-tenant"
OPENID = "x-test-openid"


def _facts(app: ASGIApp) -> ASGIApp:
    async def with_facts(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        scope["state"] |= {"request_id": "req_1", "peer": "203.0.113.9"}
        await app(scope, receive, send)

    return with_facts


@asynccontextmanager
async def counter(till: Till) -> AsyncIterator[httpx.AsyncClient]:
    """Open the routes; the header `x-test-tenant` chooses the caller, `x-test-openid` the payer."""

    def caller(request: Request[Any, Any, Any]) -> Any:
        return till.callers[int(request.headers.get(CHOSEN, "0"))]

    def payer(request: Request[Any, Any, Any]) -> Any:
        return Payer(caller(request), MINI, request.headers[OPENID])

    def language(request: Request[Any, Any, Any]) -> Any:
        return "en" if request.headers.get("accept-language") == "en" else "zh"

    def value(given: Any) -> Provide:
        return Provide(lambda: given, sync_to_thread=False)

    desk = build_desk(till)
    app = Litestar(
        [
            AdoptionController,
            OrderController,
            MiniOrderController,
            OrderRefundController,
            RefundController,
            AnomalyController,
            HealController,
            StatementController,
            StatementFileController,
            EventController,
            NotifyController,
        ],
        dependencies={
            "orders": value(till.orders),
            "order_reader": value(till.reader),
            "webhook_reader": value(WebhookReader(till.database)),
            "notify": value(till.notify),
            "echoes": value(Echoes(till.database, till.clock, Door(till.database, till.clock), till.notify)),
            "challenges": value(Challenges(till.vault)),
            "adoption": value(till.adoption),
            "anomalies": value(Anomalies(till.database, till.clock)),
            "statement_reader": value(StatementReader(till.database)),
            "difference_reader": value(DifferenceReader(till.database)),
            "database": value(till.database),
            "refunds": value(desk.service),
            "refund_reader": value(desk.reader),
            "refund_notices": value(desk.notices),
            "caller": Provide(caller, sync_to_thread=False),
            "payer": Provide(payer, sync_to_thread=False),
            "language": Provide(language, sync_to_thread=False),
        },
        middleware=[_facts],
        exception_handlers={
            Exception: problems.handler(lambda _r: False, lambda _r, p: problems.to_response(p))
        },
        logging_config=None,
        openapi_config=None,
    )
    # In the test's own event loop: the database's connections belong to it.
    transport = httpx.ASGITransport(app=cast("Any", app))
    async with httpx.AsyncClient(transport=transport, base_url="http://till.example") as client:
        yield client
