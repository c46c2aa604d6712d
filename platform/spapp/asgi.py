"""The web application: its routes, and everything that wraps them."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from litestar import Litestar, Response, get
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.params import FromPath
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler

from spapp import startup
from spapp.exports.statement_file import StatementFileController
from spapp.flushing import Flushing
from spapp.health import Health, healthz, metrics_page, readyz
from spapp.page_routes import PAGE_HANDLERS
from spapp.resources import static_files
from spapp.web import problems
from spapp.web.api_docs import ApiDocument, docs, openapi_json
from spapp.web.error_pages import error_page, is_page
from spapp.web.guards import Guard, routes
from spapp.web.middleware import Outermost, OuterSettings
from spapp.wiring import Services, build, dependencies
from spapp.worker import EmbeddedWorker
from spcore import logs
from spcore.providers.uses import FLUSH_EVERY_S
from spcore.settings import Settings
from sptenants.anomalies.controller import AnomalyController, HealController
from sptenants.golive.controller import GoLiveController
from sptenants.notify.controller import NotifyController
from sptenants.orders.adoption_controller import AdoptionController
from sptenants.orders.controller import OrderController
from sptenants.orders.mini_controller import MiniOrderController
from sptenants.reconciliation.controller import StatementController
from sptenants.refunds.controller import OrderRefundController, RefundController
from sptenants.registry.access import access
from sptenants.registry.controller import TenantController
from sptenants.sessions.controller import MiniSessionController
from sptenants.webhooks.controller import (
    DeliveryController,
    EventController,
    WebhookEndpointController,
)

MAX_BODY_BYTES = 256 * 1024
"""For every route that does not ask for less itself (failure catalogue X09)."""

API_HANDLERS: Sequence[ControllerRouterHandler] = (
    MiniSessionController,
    MiniOrderController,
    AdoptionController,
    OrderController,
    OrderRefundController,
    RefundController,
    EventController,
    WebhookEndpointController,
    DeliveryController,
    AnomalyController,
    HealController,
    StatementController,
    StatementFileController,
    TenantController,
    GoLiveController,
)


def from_environment() -> Litestar:
    """Return the application as the environment configures it; what the server calls in each process."""
    settings = Settings.from_env(os.environ)
    logs.configure(settings.log_level)
    app = create_app(settings)
    gc.freeze()  # what lives as long as the process need not be looked through again and again
    gc.enable()
    return app


def create_app(settings: Settings, services: Services | None = None) -> Litestar:
    """Return the application. It owns its services and closes them when it stops.

    Raises UnguardedRoute when a route does not declare, or does not enforce, who may call it (T05).
    """
    services = services or build(settings)
    provided = {
        **dependencies(services),
        "health": _value(Health(services)),
        "api_document": _value(api_document(services)),
    }
    app = Litestar(
        route_handlers=[*API_HANDLERS, NotifyController, *_public_handlers(), *PAGE_HANDLERS],
        dependencies=provided,
        guards=[Guard(services.accounts, services.visits, services.cookies), services.limits.guard],
        exception_handlers={Exception: problems.handler(is_page, error_page, services.refusal_journal.note)},
        lifespan=[_lifespan(services)],
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        debug=False,
        logging_config=None,
    )
    list(routes(app))
    app.asgi_handler = Outermost(
        app.asgi_handler, OuterSettings(settings.public_url, settings.trusted_proxies)
    )
    return app


def api_document(services: Services) -> ApiDocument:
    return ApiDocument(API_HANDLERS, dependencies(services), services.settings.public_url, version("wxsp"))


def _public_handlers() -> list[ControllerRouterHandler]:
    static = create_static_files_router(
        path="/static",
        directories=[static_files()],
        cache_control=CacheControlHeader(max_age=24 * 3600, public=True),
        opt=access("public", "anyone"),
        include_in_schema=False,
    )
    return [_problem, static, healthz, readyz, metrics_page, openapi_json, docs]


@get("/problems/{code:str}", opt=access("public", "anyone"), include_in_schema=False, sync_to_thread=False)
def _problem(code: FromPath[str]) -> Response[str]:
    """Say what a problem's `type` means, for whoever follows it."""
    return Response(problems.explain(code.replace("-", "_")), media_type="text/plain")


def _lifespan(services: Services) -> Any:
    @asynccontextmanager
    async def serve(_app: Litestar) -> AsyncIterator[None]:
        key_uses = Flushing("key_uses", services.key_uses.flush, FLUSH_EVERY_S)
        embedded = EmbeddedWorker(services) if services.settings.embedded_worker else None
        try:
            await startup.prepare(services.settings)
            services.refusal_journal.start()
            key_uses.start()
            if embedded is not None:
                embedded.start()
            yield
            if embedded is not None:
                await embedded.stop()
        finally:
            await services.refusal_journal.stop()
            await key_uses.stop()
            await services.close()

    return serve


def _value(value: Any) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)
