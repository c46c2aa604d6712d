"""The public API's description: `/openapi.json`, and `/docs` to read and try it.

Only what callers outside use is in it: no page, no administration, no notify address (failure catalogue S16).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from litestar import Litestar, Response, get
from litestar.di import NamedDependency, Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme
from litestar.routes import HTTPRoute
from litestar.types import ControllerRouterHandler

from spapp.web.api_examples import add_examples
from spapp.web.pages import static
from spapp.web.problems import CONTENT_TYPE
from sptenants.registry.access import access

API_TITLE = "wxsp API"

_SECURITY = {
    "tenant_key": SecurityScheme(
        type="http", scheme="bearer", description="特约商户密钥 a tenant's key: `wsk_test_…`, `wsk_live_…`"
    ),
    "provider_key": SecurityScheme(
        type="http",
        scheme="bearer",
        description="服务商密钥 a provider's key: `wpk_…`; with header `Tenant-Id` on a tenant's routes",
    ),
    "mini_session": SecurityScheme(
        type="http", scheme="bearer", description="小程序会话 a mini-program session: `wst_…`"
    ),
}

_PROBLEM_EXAMPLE = {
    "type": "/problems/invalid-request",
    "title": "请求参数有误",
    "status": 422,
    "detail": "#/amount 应为整数（分）。",
    "instance": "/v1/orders",
    "code": "invalid_request",
    "request_id": "req_01JD3K8W7Q4M6X0B2T9V5H1CZN",
    "errors": [{"pointer": "#/amount", "code": "wrong_type", "detail": "应为整数（分）。"}],
    "wechat": None,
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "RFC 9457",
    "required": [
        "type",
        "title",
        "status",
        "detail",
        "instance",
        "code",
        "request_id",
        "errors",
        "wechat",
    ],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "stable snake_case"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "code", "detail"],
                "properties": {
                    "pointer": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "wechat": {"type": ["object", "null"], "description": "what WeChat said, when it refused"},
    },
}


class ApiDocument:
    """The OpenAPI 3.1 document, made when it is first asked for."""

    def __init__(
        self,
        handlers: Sequence[ControllerRouterHandler],
        dependencies: Mapping[str, Provide],
        public_url: str,
        version: str,
    ) -> None:
        self._parts = (handlers, dependencies, public_url, version)
        self._made: bytes | None = None

    def as_json(self) -> bytes:
        if self._made is None:
            self._made = json.dumps(_document(*self._parts), ensure_ascii=False, indent=1).encode()
        return self._made


@get("/openapi.json", opt=access("public", "anyone"), include_in_schema=False, sync_to_thread=False)
def openapi_json(api_document: NamedDependency[ApiDocument]) -> Response[bytes]:
    return Response(api_document.as_json(), media_type="application/json")


@get("/docs", opt=access("public", "anyone"), include_in_schema=False, sync_to_thread=False)
def docs() -> Response[str]:
    addresses = {name: static(path) for name, path in _FILES.items()}
    return Response(_PAGE.format(**addresses), media_type="text/html")


def _document(
    handlers: Sequence[ControllerRouterHandler],
    dependencies: Mapping[str, Provide],
    public_url: str,
    version: str,
) -> dict[str, Any]:
    app = Litestar(
        route_handlers=list(handlers),
        dependencies=dict(dependencies),
        logging_config=None,  # or it would put its own logging in place of ours
        openapi_config=OpenAPIConfig(
            title=API_TITLE,
            version=version,
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            use_handler_docstrings=True,
            components=Components(security_schemes=dict(_SECURITY)),
        ),
    )
    document: dict[str, Any] = app.openapi_schema.to_schema()
    document["servers"] = [{"url": public_url}]
    document["components"].setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    roles = {(path, method): handler.opt.get("roles", ()) for path, method, handler in _handlers(app)}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(operation, roles.get((path, method.upper()), ()))
    add_examples(document)
    return document


def _handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield route.path_format, method, handler


def _complete(operation: dict[str, Any], roles: Sequence[str]) -> None:
    """Say who may call, and that every error is a problem; the framework's own error shape goes."""
    operation["security"] = [{role: []} for role in roles if role in _SECURITY]
    answers = operation["responses"]
    for status in [status for status in answers if status.startswith(("4", "5"))]:
        del answers[status]
    content = {
        CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": _PROBLEM_EXAMPLE}
    }
    answers["default"] = {"description": "problem details (RFC 9457)", "content": content}


_FILES = {
    "style": "vendor/swagger-ui-dist/swagger-ui.css",
    "bundle": "vendor/swagger-ui-dist/swagger-ui-bundle.js",
    "start": "docs.js",
    "icon": "brand.svg",
}
_PAGE = """<!doctype html>
<html lang="zh-CN">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wxsp API</title>
<link rel="icon" href="{icon}" type="image/svg+xml">
<link rel="stylesheet" href="{style}">
</head>
<body>
<main id="swagger-ui"></main>
<noscript>此页面需要 JavaScript；接口描述见 <a href="/openapi.json">openapi.json</a>。</noscript>
<script src="{bundle}"></script>
<script src="{start}"></script>
</body>
</html>
"""
