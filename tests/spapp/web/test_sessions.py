"""Cookies of the console as a browser sees them (failure catalogue S01, S10)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.one_site import served
from tests.support.visitor import SAME_ORIGIN, site_environment

from spapp.accounts.people import People
from spapp.wiring import build
from spcore.audit.actor import SYSTEM
from spcore.settings import Settings

EMAIL, PASSWORD = "root@example.com", "correct horse battery staple"


@pytest.fixture(params=["http://127.0.0.1:8000", "https://pay.example.com"])
async def browser(
    request: pytest.FixtureRequest, tmp_path: Path, clock: HeldClock
) -> AsyncIterator[AsyncTestClient[Litestar]]:
    settings = Settings.from_env(site_environment(sqlite_url(tmp_path), request.param))
    services = build(settings, clock)
    await services.people.create_admin(EMAIL, SYSTEM, password=PASSWORD)
    assert isinstance(services.people, People)
    async with AsyncTestClient(served(services), base_url=request.param) as client:
        yield client


def is_https(browser: AsyncTestClient[Litestar]) -> bool:
    return str(browser.base_url).startswith("https")


async def sign_in(browser: AsyncTestClient[Litestar], password: str = PASSWORD) -> dict[str, str]:
    """Sign in and return the session cookie's attributes; the value under `value`."""
    form = await browser.get("/login")
    token = next(value for name, value in form.cookies.items() if name.endswith("csrf"))
    answer = await browser.post(
        "/login",
        data={"email": EMAIL, "password": password, "csrf_token": token},
        headers=SAME_ORIGIN,
        follow_redirects=False,
    )
    (header,) = [h for h in answer.headers.get_list("set-cookie") if "csrf" not in h]
    first, *rest = header.split("; ")
    name, _, value = first.partition("=")
    attributes = {part.partition("=")[0].lower(): part.partition("=")[2] for part in rest}
    return attributes | {"name": name, "value": value}


async def test_S10_the_session_cookie_is_bound_to_host_and_script_proof(
    browser: AsyncTestClient[Litestar],
) -> None:
    cookie = await sign_in(browser)
    assert cookie["name"] == ("__Host-wxsp" if is_https(browser) else "wxsp")
    assert ("secure" in cookie) is is_https(browser)
    assert "httponly" in cookie
    assert (cookie["samesite"], cookie["path"]) == ("lax", "/")
    assert not {"domain", "max-age", "expires"} & cookie.keys()


async def test_S09_https_is_remembered_only_where_it_is_used(browser: AsyncTestClient[Litestar]) -> None:
    answer = await browser.get("/login")
    assert ("strict-transport-security" in answer.headers) is is_https(browser)


async def test_S01_a_session_id_planted_before_sign_in_is_not_the_one_after(
    browser: AsyncTestClient[Litestar],
) -> None:
    name = "__Host-wxsp" if is_https(browser) else "wxsp"
    planted = "A" * 43
    browser.cookies.set(name, planted)

    cookie = await sign_in(browser)

    assert cookie["value"] != planted
    browser.cookies.clear()
    stolen = await browser.get("/admin", headers={"cookie": f"{name}={planted}"}, follow_redirects=False)
    assert stolen.status_code == 401
    own = await browser.get("/admin", headers={"cookie": f"{name}={cookie['value']}"}, follow_redirects=False)
    assert own.status_code == 200


async def test_S10_after_signing_out_the_old_cookie_opens_nothing(browser: AsyncTestClient[Litestar]) -> None:
    cookie = await sign_in(browser)
    header = {"cookie": f"{cookie['name']}={cookie['value']}", "accept": "text/html"}
    page = await browser.get("/admin/transactions", headers=header)
    token = page.text.partition('name="csrf-token" content="')[2].partition('"')[0]
    out = await browser.post(
        "/logout", data={"csrf_token": token}, headers=header | SAME_ORIGIN, follow_redirects=False
    )
    assert out.is_redirect
    assert "max-age=0" in out.headers["set-cookie"].lower()
    again = await browser.get("/admin/transactions", headers=header, follow_redirects=False)
    assert again.headers["location"].startswith("/login")
