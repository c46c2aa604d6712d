"""Coming in: sign-in, where it leads, roles and areas, one-time links."""

from __future__ import annotations

import re

import pytest
from tests.conftest import HeldClock
from tests.support.shop import Shop
from tests.support.visitor import Visitor

from spapp.accounts.people import People
from spapp.accounts.service import Accounts
from spcore.audit.actor import SYSTEM
from spcore.db.engine import Database

HOMES = {
    "platform_admin": "/admin",
    "platform_auditor": "/admin",
    "provider_owner": "/console",
    "provider_viewer": "/console",
    "merchant_user": "/m",
}


@pytest.mark.parametrize(("role", "home"), HOMES.items())
async def test_everybody_is_led_to_their_own_first_page(
    visitor: Visitor, shop: Shop, role: str, home: str
) -> None:
    signed_in = await visitor.sign_in(shop.people[role])
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")

    start = await visitor.get("/")

    assert start.headers["location"] == home
    assert (await visitor.get(home)).status_code == 200


async def test_whoever_is_not_signed_in_comes_back_to_where_they_wanted_to_go(
    visitor: Visitor, shop: Shop
) -> None:
    wanted = f"/console/orders/{shop.orders['latest']}"

    sent_away = await visitor.get(wanted)
    form = await visitor.get(sent_away.headers["location"])
    hidden = re.search(r'name="next" value="([^"]*)"', form.text)
    signed_in = await visitor.sign_in(shop.people["provider_owner"], wanted=hidden[1] if hidden else "")

    assert sent_away.status_code == 303
    assert signed_in.headers["location"] == wanted


async def test_htmx_is_told_to_load_the_sign_in_form_instead_of_swapping_it_in(
    visitor: Visitor, shop: Shop
) -> None:
    answer = await visitor.get(f"/console/orders/{shop.orders['latest']}", htmx=True)

    assert answer.status_code == 204
    assert answer.headers["hx-redirect"].startswith("/login")


@pytest.mark.parametrize("wanted", ["//evil.example", "/\\evil.example", "https:evil.example", "/%2fevil"])
async def test_S08_signing_in_leads_nowhere_but_home(visitor: Visitor, shop: Shop, wanted: str) -> None:
    answer = await visitor.sign_in(shop.people["provider_owner"], wanted=wanted)

    assert answer.headers["location"] == "/"


async def test_S05_a_wrong_password_and_an_unknown_account_read_the_same(
    visitor: Visitor, shop: Shop
) -> None:
    wrong = await visitor.sign_in(shop.people["provider_owner"], "not the right one at all")
    unknown = await visitor.sign_in("nobody@example.com", "not the right one at all")

    assert wrong.status_code == unknown.status_code == 401
    same = [re.sub(r'(?:value|content)="[^"]*"', "", answer.text) for answer in (wrong, unknown)]
    assert same[0] == same[1]
    assert "邮箱或密码不正确" in wrong.text


async def test_S02_the_sign_in_form_itself_needs_its_token(visitor: Visitor, shop: Shop) -> None:
    await visitor.get("/login")

    answer = await visitor.post("/login", "no token", email=shop.people["provider_owner"], password="x")

    assert answer.status_code == 403


async def test_signing_out_ends_the_session(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    page = await visitor.get("/console/orders")

    answer = await visitor.post("/logout", page.text)

    assert answer.headers["location"] == "/login"
    assert (await visitor.get("/console/orders")).status_code == 303


@pytest.mark.parametrize(
    ("role", "path"),
    [
        pytest.param("provider_owner", "/admin/transactions", id="provider in the platform's area"),
        pytest.param("merchant_user", "/console/orders", id="merchant in a provider's area"),
        pytest.param("merchant_user", "/console/tenants", id="merchant at the tenants"),
        pytest.param("platform_admin", "/console/orders", id="platform in a provider's area"),
        pytest.param("platform_auditor", "/m/orders", id="auditor in a merchant's area"),
    ],
)
async def test_an_area_of_other_roles_is_forbidden_in_a_sentence(
    visitor: Visitor, shop: Shop, role: str, path: str
) -> None:
    await visitor.sign_in(shop.people[role])

    answer = await visitor.get(path)

    assert answer.status_code == 403
    assert "你的角色不能使用此页面" in answer.text
    assert answer.headers["request-id"] in answer.text


async def test_S17_a_set_up_link_sets_a_password_once(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    people = People(database, clock, Accounts(database, clock))
    made = await people.create_admin("root@example.com", SYSTEM)
    path = f"/setup/{made.link_token}"

    form = await visitor.get(path)
    weak = await visitor.post(path, form.text, password="123456789012")
    saved = await visitor.post(path, form.text, password="another walk by the river")
    again = await visitor.get(path)

    assert "root@example.com" in form.text
    assert weak.status_code == 422
    assert "密码太常见" in weak.text
    assert saved.headers["location"] == "/login?ready=1"
    assert again.status_code == 410
    signed_in = await visitor.sign_in("root@example.com", "another walk by the river")
    assert signed_in.status_code == 303
