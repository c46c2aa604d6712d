"""The second factor as people meet it, and what stays shut without it (S01, S02, S05, S12, S13, A02, A03)."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.phone import CODES, PAGE, SECRET, Phone
from tests.support.shop import Shop
from tests.support.visitor import PUBLIC_URL, SAME_ORIGIN, Visitor, site

from spapp.accounts import throttle
from spapp.web import guards
from spapp.web.guards import PAGE_AREAS

ROLES = ("platform_admin", "platform_auditor", "provider_owner", "provider_viewer", "merchant_user")
REMINDER = "你的账号还没有两步验证"
_META = re.compile(r'name="csrf-token" content="([^"]+)"')


@pytest.fixture
def phone(visitor: Visitor, clock: HeldClock) -> Phone:
    return Phone(visitor, clock)


@pytest.fixture
def strict_app(database_url: str, shop: Shop, clock: HeldClock) -> Litestar:
    """The application with WXSP_REQUIRE_SECOND_FACTOR=1."""
    return site(database_url, clock, WXSP_REQUIRE_SECOND_FACTOR="1")


@pytest.fixture
async def strict(strict_app: Litestar) -> AsyncIterator[AsyncTestClient[Litestar]]:
    async with AsyncTestClient(strict_app, base_url=PUBLIC_URL) as client:
        yield client


def working_pages(app: Litestar, role: str) -> list[tuple[str, str]]:
    """Return method and path of every page that `role` works with, from the route table."""
    found = [
        (route.method, re.sub(r"\{[^}]+\}", "01JD3K8W7Q4M6X0B2T9V5H1CZN", route.path))
        for route in guards.routes(app)
        if route.area in PAGE_AREAS and role in route.roles and not route.path.startswith(PAGE)
    ]
    assert found
    return found


# --- the usual way ----------------------------------------------------------------------------------


async def test_from_the_reminder_to_signing_in_with_a_code(
    visitor: Visitor, shop: Shop, phone: Phone
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    orders = await visitor.get("/console/orders")
    assert REMINDER in orders.text
    assert f'href="{PAGE}"' in orders.text

    enrolling = await phone.begin()
    assert REMINDER not in enrolling.text
    assert re.search(r'<svg aria-hidden="true" viewBox="0 0 \d+ \d+" class="c-qr">', enrolling.text)
    done = await phone.enrol()
    assert done.status_code == 200
    assert len(set(phone.codes)) == 10
    assert "HttpOnly" in done.headers["set-cookie"]
    assert REMINDER not in (await visitor.get("/console/orders")).text

    wanted = "/console/orders?range=7d"
    half_way = await visitor.sign_in(shop.people["provider_owner"], wanted=wanted)
    assert half_way.headers["location"].startswith("/login/totp?next=%2Fconsole")
    form = await visitor.get(half_way.headers["location"])
    assert 'autocomplete="one-time-code"' in form.text
    signed_in = await phone.give(phone.code(), form.text, wanted)

    assert (signed_in.status_code, signed_in.headers["location"]) == (303, wanted)
    assert signed_in.headers["set-cookie"] != half_way.headers["set-cookie"]
    assert (await visitor.get(wanted)).status_code == 200


@pytest.mark.parametrize("role", ROLES)
async def test_everybody_reaches_their_own_account_page_from_the_menu(
    visitor: Visitor, shop: Shop, role: str
) -> None:
    await visitor.sign_in(shop.people[role])
    start = await visitor.get("/")
    home = await visitor.get(start.headers["location"])
    assert re.search(r'<a href="/account">.*账号</a>', home.text)
    account = await visitor.get("/account")
    assert f'href="{PAGE}"' in account.text
    assert (REMINDER in home.text) is (role in {"platform_admin", "provider_owner"})

    page = await visitor.get(PAGE)

    assert page.status_code == 200
    assert "开始设置" in page.text


async def test_pages_speak_english_too(visitor: Visitor, shop: Shop, phone: Phone) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    await phone.begin()

    page = await visitor.get(PAGE, language="en")

    assert "Scan the QR code" in page.text
    assert re.findall(r"[\u4e00-\u9fff]+", re.sub(r"云启支付服务|王敏?|中文", "", page.text)) == []


async def test_looking_at_the_page_begins_nothing(visitor: Visitor, shop: Shop) -> None:
    """S02: a GET never changes state."""
    await visitor.sign_in(shop.people["provider_owner"])
    await visitor.get(PAGE)

    assert SECRET.findall((await visitor.get(PAGE)).text) == []


async def test_a_wrong_first_code_leaves_the_secret_on_the_page(
    visitor: Visitor, shop: Shop, phone: Phone
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    page = await phone.begin()

    refused = await visitor.post(f"{PAGE}/confirm", page.text, code=phone.wrong())

    assert refused.status_code == 422
    assert "验证码不正确或已使用过" in refused.text
    assert SECRET.findall(refused.text) == [phone.secret]
    assert (await visitor.post(f"{PAGE}/confirm", refused.text, code=phone.code())).status_code == 200


async def test_confirming_twice_shows_no_codes_again(visitor: Visitor, shop: Shop, phone: Phone) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    done = await phone.enrol()

    again = await visitor.post(f"{PAGE}/confirm", done.text, code=phone.code())

    assert again.status_code == 422
    assert CODES.findall(again.text) == []


async def test_S12_removing_needs_a_fresh_code(visitor: Visitor, shop: Shop, phone: Phone) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    await phone.enrol()
    page = await visitor.get(PAGE)
    assert "已启用" in page.text

    refused = await visitor.post(f"{PAGE}/remove", page.text, code=phone.wrong())
    removed = await visitor.post(f"{PAGE}/remove", page.text, code=phone.code())

    assert refused.status_code == 422
    assert "验证码不正确或已使用过" in refused.text
    assert removed.headers["location"] == PAGE
    assert "开始设置" in (await visitor.get(PAGE)).text


# --- half-way ---------------------------------------------------------------------------------------


async def test_a_wrong_code_and_too_many_of_them_are_said_on_the_form(
    visitor: Visitor, shop: Shop, phone: Phone
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    await phone.enrol()
    await visitor.sign_in(shop.people["provider_owner"])
    form = await visitor.get("/login/totp")

    answers = [await phone.give(phone.wrong(), form.text) for _ in range(throttle.PER_ACCOUNT + 1)]

    assert {answer.status_code for answer in answers[:-1]} == {401}
    assert "验证码不正确或已使用过" in answers[0].text
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "900"
    assert "尝试次数过多" in answers[-1].text


async def test_the_form_is_for_those_who_are_half_way_only(
    visitor: Visitor, shop: Shop, phone: Phone
) -> None:
    assert (await visitor.get("/login/totp")).headers["location"] == "/login"
    login = await visitor.get("/login")
    assert (await phone.give("000000", login.text)).headers["location"].startswith("/login")
    await visitor.sign_in(shop.people["provider_owner"])
    page = await visitor.get("/console/orders")
    assert (await visitor.get("/login/totp?next=//evil.example")).headers["location"] == "/"
    assert (await phone.give("000000", page.text)).headers["location"] == "/"


async def test_half_way_one_can_start_over_as_somebody_else(
    visitor: Visitor, shop: Shop, phone: Phone
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    await phone.enrol()
    await visitor.sign_in(shop.people["provider_owner"])
    form = await visitor.get("/login/totp")

    assert (await visitor.get("/login")).status_code == 200
    assert (await visitor.post("/logout", form.text)).headers["location"] == "/login"
    assert (await visitor.get("/login/totp")).headers["location"] == "/login"


@pytest.mark.parametrize("role", ROLES)
async def test_S05_half_way_every_page_leads_back_to_the_code(
    database_url: str, shop: Shop, clock: HeldClock, role: str
) -> None:
    app = site(database_url, clock)
    async with AsyncTestClient(app, base_url=PUBLIC_URL) as client:
        visitor = Visitor(client)
        await visitor.sign_in(shop.people[role])
        await Phone(visitor, clock).enrol()
        await visitor.sign_in(shop.people[role])
        form = await visitor.get("/login/totp")
        for method, path in [*working_pages(app, role), ("GET", PAGE), ("POST", PAGE), ("POST", "/switch")]:
            await refuses(client, form.text, method, path, "/login/totp", (401, "second_factor_needed"))


# --- required ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
async def test_S05_required_and_missing_every_page_leads_to_setting_it_up(
    strict_app: Litestar, strict: AsyncTestClient[Litestar], shop: Shop, role: str
) -> None:
    visitor = Visitor(strict)
    await visitor.sign_in(shop.people[role])
    page = await visitor.get(PAGE)
    assert page.status_code == 200
    assert "本系统要求每个账号都启用两步验证" in page.text
    assert "c-side" not in page.text

    for method, path in [*working_pages(strict_app, role), ("POST", "/switch")]:
        await refuses(strict, page.text, method, path, PAGE, (403, "second_factor_missing"))


async def test_required_setting_it_up_opens_everything(
    strict: AsyncTestClient[Litestar], shop: Shop, clock: HeldClock
) -> None:
    visitor = Visitor(strict)
    await visitor.sign_in(shop.people["merchant_user"])

    done = await Phone(visitor, clock).enrol()

    assert done.status_code == 200
    assert 'href="/m/orders"' in done.text
    assert (await visitor.get("/m/orders")).status_code == 200


async def test_required_one_can_still_leave(strict: AsyncTestClient[Litestar], shop: Shop) -> None:
    visitor = Visitor(strict)
    await visitor.sign_in(shop.people["merchant_user"])
    page = await visitor.get(PAGE)

    assert (await visitor.post("/logout", page.text)).headers["location"] == "/login"


async def refuses(
    client: AsyncTestClient[Litestar],
    page: str,
    method: str,
    path: str,
    form: str,
    problem: tuple[int, str],
) -> None:
    """Assert that a browser, htmx and a program are each kept out and told what is missing."""
    token = _META.findall(page)[0]
    headers = SAME_ORIGIN | {"x-csrf-token": token}
    for accept, kind in (("text/html", "browser"), ("*/*", "htmx"), ("application/json", "program")):
        how = headers | {"accept": accept} | ({"hx-request": "true"} if kind == "htmx" else {})
        answer = await client.request(method, path, headers=how, follow_redirects=False)
        where = f"{kind} {method} {path}"
        if kind == "browser":
            assert answer.status_code == 303, where
            assert answer.headers["location"].partition("?")[0] == form, where
        elif kind == "htmx":
            assert answer.status_code == 204, where
            assert answer.headers["hx-redirect"].partition("?")[0] == form, where
        else:
            assert (answer.status_code, answer.json()["code"]) == problem, where


# --- what stays behind ------------------------------------------------------------------------------


async def test_S13_A02_A03_after_activation_the_secret_is_nowhere(
    visitor: Visitor,
    shop: Shop,
    phone: Phone,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    shown = [(await phone.enrol()).text]
    await visitor.sign_in(shop.people["provider_owner"])
    form = await visitor.get("/login/totp")
    shown.append((await phone.give(phone.wrong(), form.text)).text)
    await phone.give(phone.codes[0], form.text)
    for path in (PAGE, "/console/orders", "/console/tenants"):
        page = await visitor.get(path)
        assert page.status_code == 200
        shown.append(page.text)
    logged = capsys.readouterr()

    files = database_files(tmp_path)
    raw = base64.b32decode(phone.secret)
    secret_shapes = (phone.secret, raw.hex(), base64.b64encode(raw).decode())
    assert b"second_factor.added" in files
    assert "request.done" in logged.out
    for shape in secret_shapes:
        assert not any(shape in text for text in shown)
    for shape in (*secret_shapes, *phone.codes, *(code.replace("-", "") for code in phone.codes)):
        assert shape.encode() not in files
        assert shape not in logged.out + logged.err
    assert raw not in files
    for code in phone.codes:
        assert not any(code in text for text in shown[1:])


def database_files(folder: Path) -> bytes:
    """Return everything SQLite keeps on disk, its write-ahead log included."""
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("wxsp.db"))
