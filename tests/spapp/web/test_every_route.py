"""What holds for every route, also for those not written yet (failure catalogue T05, S02, S09, S16)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from litestar import Litestar, get, post
from litestar.di import NamedDependency
from litestar.testing import AsyncTestClient

from spapp.web import guards
from spapp.web.guards import PAGE_AREAS, UnguardedRoute
from sptenants.registry.access import access
from sptenants.registry.caller import Caller
from sptenants.registry.rights import Right

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def address(path: str) -> str:
    """Fill a route's parameters with something of the right shape that does not exist."""
    return re.sub(r"\{[^}]+\}", "01JD3K8W7Q4M6X0B2T9V5H1CZN", path)


def of(app: Litestar, **wanted: Any) -> list[tuple[str, str]]:
    found = [
        (route.method, address(route.path))
        for route in guards.routes(app)
        if all(getattr(route, name) in values for name, values in wanted.items())
    ]
    assert found
    return found


async def test_S09_every_answer_carries_the_security_headers(
    app: Litestar, client: AsyncTestClient[Litestar]
) -> None:
    everywhere = [*of(app, area={"api", "mini", "notify", "public"} | PAGE_AREAS), ("GET", "/no/such/path")]
    for method, path in everywhere:
        for accept in ("text/html", "application/json"):
            answer = await client.request(method, path, headers={"accept": accept}, follow_redirects=False)
            where = f"{method} {path}"
            assert answer.status_code < 500 or path == "/readyz", (where, answer.text)
            assert answer.headers["x-content-type-options"] == "nosniff", where
            assert answer.headers["x-frame-options"] == "DENY", where
            assert answer.headers["referrer-policy"] == "same-origin", where
            assert answer.headers["cross-origin-opener-policy"] == "same-origin", where
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert "'unsafe-inline'" not in policy.partition("style-src")[0], where
            assert re.fullmatch(r"req_[0-9A-HJKMNP-TV-Z]{26}", answer.headers["request-id"]), where
            assert answer.headers.get_list("request-id") == [answer.headers["request-id"]], where


async def test_asking_an_address_for_its_methods_names_them_all(
    app: Litestar, client: AsyncTestClient[Litestar]
) -> None:
    for method, path in of(app, area={"api", "mini", "notify", "public"} | PAGE_AREAS):
        answer = await client.options(path, headers={"accept": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path
        assert method in answer.headers["allow"].split(", "), path


async def test_a_content_type_names_its_charset_once(client: AsyncTestClient[Litestar]) -> None:
    for path in ("/problems/not-found", "/docs", "/login", "/openapi.json", "/metrics"):
        assert (await client.get(path)).headers["content-type"].count("charset") <= 1, path


async def test_only_the_docs_page_may_set_styles_from_its_script(client: AsyncTestClient[Litestar]) -> None:
    assert "unsafe-inline" in (await client.get("/docs")).headers["content-security-policy"]
    assert "unsafe-inline" not in (await client.get("/login")).headers["content-security-policy"]


async def test_nothing_but_static_files_is_cached(app: Litestar, client: AsyncTestClient[Litestar]) -> None:
    for method, path in of(app, method={"GET"}, area={"api", "public"} | PAGE_AREAS):
        if not path.startswith("/static"):
            answer = await client.request(method, path, follow_redirects=False)
            assert answer.headers["cache-control"] == "no-store", path
    assert "max-age" in (await client.get("/static/docs.js")).headers["cache-control"]


async def test_S02_every_form_needs_the_token_and_the_right_origin(
    app: Litestar, client: AsyncTestClient[Litestar]
) -> None:
    forms = of(app, method=UNSAFE, area={"public"} | PAGE_AREAS)
    token = (await client.get("/login")).cookies["wxsp-csrf"]
    same = {"sec-fetch-site": "same-origin"}
    without = [
        pytest.param({}, same, id="no token"),
        pytest.param({"csrf_token": "x" * 32}, same, id="another token"),
        pytest.param({"csrf_token": token}, {"sec-fetch-site": "cross-site"}, id="another site"),
        pytest.param({"csrf_token": token}, {"sec-fetch-site": "same-site"}, id="a neighbour"),
        pytest.param({"csrf_token": token}, {"origin": "https://evil.example"}, id="another origin"),
        pytest.param({"csrf_token": token}, {"origin": "null"}, id="no origin"),
        pytest.param({"csrf_token": token}, {}, id="origin unknown"),
    ]
    for method, path in forms:
        for case in without:
            fields, headers = case.values
            answer = await client.request(method, path, data=fields, headers=headers)
            assert answer.status_code == 403, (path, case.id)
            assert answer.json()["code"] == "csrf_refused", (path, case.id)
        as_text = await client.request(
            method, path, content=f"csrf_token={token}", headers=same | {"content-type": "text/plain"}
        )
        assert as_text.status_code == 403, path


async def test_S02_the_right_token_from_our_own_page_passes(client: AsyncTestClient[Litestar]) -> None:
    token = (await client.get("/login")).cookies["wxsp-csrf"]
    fields = {"csrf_token": token, "email": "nobody@example.com", "password": "x"}
    for headers in ({"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1:8000"}):
        assert (await client.post("/login", data=fields, headers=headers)).status_code == 401
    by_header = await client.post(
        "/login", data={}, headers={"x-csrf-token": token, "sec-fetch-site": "same-origin"}
    )
    assert by_header.status_code == 401


async def test_every_page_leads_whoever_is_not_signed_in_to_the_form(
    app: Litestar, client: AsyncTestClient[Litestar]
) -> None:
    for method, path in of(app, method={"GET"}, area=PAGE_AREAS):
        browser = await client.request(method, path, headers={"accept": "text/html"}, follow_redirects=False)
        assert browser.is_redirect, path
        assert browser.headers["location"].startswith("/login?next="), path
        program = await client.request(method, path, headers={"accept": "application/json"})
        assert (program.status_code, program.json()["code"]) == (401, "unauthenticated"), path


async def test_T05_every_route_of_the_api_refuses_a_caller_without_credentials(
    app: Litestar, client: AsyncTestClient[Litestar]
) -> None:
    for method, path in of(app, area={"api"}):
        answer = await client.request(method, path, json={} if method in UNSAFE else None)
        assert answer.status_code == 401, (method, path)
    for route in guards.routes(app):
        if route.area == "mini" and "anyone" not in route.roles:
            body = {} if route.method in UNSAFE else None
            answer = await client.request(route.method, address(route.path), json=body)
            assert answer.status_code == 401, route.path


async def test_HEAD_answers_like_GET_without_a_body(client: AsyncTestClient[Litestar]) -> None:
    for path in ("/healthz", "/login", "/docs", "/problems/not-found", "/static/docs.js", "/console/orders"):
        get_, head = await client.get(path, follow_redirects=False), await client.head(path)
        assert head.status_code == get_.status_code, path
        assert head.content == b"", path
        assert head.headers["content-type"] == get_.headers["content-type"], path
    assert (await client.head("/no/such/path")).status_code == 404


async def test_S16_nothing_tells_of_what_it_is_made_of(client: AsyncTestClient[Litestar]) -> None:
    for path in ("/.git/config", "/.env", "/console/../.env", "/schema", "/static/../asgi.py", "/debug"):
        answer = await client.get(path)
        assert answer.status_code == 404, path
        assert "Traceback" not in answer.text


async def _handler() -> None: ...


def with_handler(**how: Any) -> Litestar:
    """Return an application of one route; routes are judged one by one."""
    return Litestar([get("/new", **how)(_handler)], openapi_config=None)


def test_T05_a_route_that_declares_nothing_stops_the_start() -> None:
    with pytest.raises(UnguardedRoute, match="GET /new"):
        list(guards.routes(with_handler()))


@pytest.mark.parametrize(
    "opt",
    [
        pytest.param(access("api"), id="no roles"),
        pytest.param(access("kitchen", "anyone"), id="unknown area"),  # type: ignore[arg-type]
        pytest.param(
            access("api", "tenant_key", right=Right.ORDERS_READ), id="declared, but no caller asked for"
        ),
        pytest.param(access("mini", "mini_session"), id="declared, but no payer asked for"),
        pytest.param(access("console", "janitor"), id="a role nobody has"),
        pytest.param(access("console", "anyone"), id="a page for everybody in a closed area"),
    ],
)
def test_T05_a_declaration_that_is_not_enforced_stops_the_start(opt: dict[str, Any]) -> None:
    with pytest.raises(UnguardedRoute, match="GET /new"):
        list(guards.routes(with_handler(opt=opt)))


def test_T05_a_route_for_keys_without_a_right_stops_the_start(app: Litestar) -> None:
    @post("/new", opt=access("api", "tenant_key"))
    async def create(caller: NamedDependency[Caller]) -> None:
        del caller

    app.register(create)
    with pytest.raises(UnguardedRoute, match="no right"):
        list(guards.routes(app))


def test_T05_a_declared_and_enforced_route_may_start(app: Litestar) -> None:
    @post("/new", opt=access("api", "tenant_key", right=Right.ORDERS_WRITE))
    async def create(caller: NamedDependency[Caller]) -> None:
        del caller

    app.register(create)
    assert ("POST", "/new") in {(route.method, route.path) for route in guards.routes(app)}
