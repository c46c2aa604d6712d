"""One's own account: name, password, devices, what happened to it (S01, S05, S10, S12)."""

from __future__ import annotations

import re

import pytest
from litestar.testing import AsyncTestClient
from tests.conftest import HeldClock
from tests.support.phone import CODES, PAGE, Phone
from tests.support.shop import PASSWORD, Shop
from tests.support.visitor import PUBLIC_URL, Visitor, site

from spapp.accounts import throttle
from spapp.console.account.devices import device_of

NEW = "a quiet harbour at dawn"
_SESSION = re.compile(r'name="session" value="([0-9a-f]{20})"')


async def test_the_name_is_changed_and_an_empty_one_is_refused(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_viewer"])
    page = await visitor.get("/account")

    empty = await visitor.post("/account/name", page.text, name="  ")
    hostile = await visitor.post("/account/name", page.text, name="<script>{{7*7}}")

    assert empty.status_code == 422
    assert 'aria-invalid="true"' in empty.text
    assert hostile.status_code == 303
    shown = (await visitor.get("/account")).text
    assert "&lt;script&gt;{{7*7}}" in shown
    assert "<script>{{" not in shown


async def test_S01_S12_a_new_password_needs_the_old_one_and_a_code_and_ends_other_sessions(
    visitor: Visitor, shop: Shop, database_url: str, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    phone = Phone(visitor, clock)
    await phone.enrol()
    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        other = Visitor(client)
        await other.sign_in(shop.people["provider_owner"])
        step = await other.get("/login/totp")
        await other.post("/login/totp", step.text, code=phone.codes[0])
        assert (await other.get("/console/orders")).status_code == 200
        page, path = await visitor.get("/account"), "/account/password"

        weak = await visitor.post(path, page.text, present=PASSWORD, new="password1234", code=phone.code())
        wrong = await visitor.post(path, page.text, present="not it at all", new=NEW, code=phone.code())
        codeless = await visitor.post(path, page.text, present=PASSWORD, new=NEW)
        done = await visitor.post(path, page.text, present=PASSWORD, new=NEW, code=phone.code())

        assert [answer.status_code for answer in (weak, wrong, codeless, done)] == [422, 422, 422, 303]
        assert "当前密码不正确" in wrong.text
        assert PASSWORD not in wrong.text
        assert "set-cookie" in done.headers
        assert (await visitor.get("/console/orders")).status_code == 200
        assert (await other.get("/console/orders")).status_code == 303
        assert (await other.sign_in(shop.people["provider_owner"], PASSWORD)).status_code == 401
        assert (await other.sign_in(shop.people["provider_owner"], NEW)).status_code == 303


async def test_S05_guessing_the_present_password_is_slowed_down(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_viewer"])
    page = await visitor.get("/account")

    answers = [
        await visitor.post("/account/password", page.text, present=f"guess number {n}", new=NEW)
        for n in range(throttle.PER_ACCOUNT + 1)
    ]

    assert {answer.status_code for answer in answers[:-1]} == {422}
    assert answers[-1].status_code == 429
    assert "尝试次数过多" in answers[-1].text


async def test_S10_devices_are_listed_and_ended_one_by_one(
    visitor: Visitor, shop: Shop, database_url: str, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_viewer"])
    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        other = Visitor(client)
        await other.sign_in(shop.people["provider_viewer"])
        page = await visitor.get("/account")
        assert "当前设备" in page.text
        (handle,) = _SESSION.findall(page.text)

        foreign = await visitor.post("/account/sessions/end", page.text, session="0" * 20)
        assert foreign.status_code == 404
        assert (await visitor.post("/account/sessions/end", page.text, session=handle)).status_code == 303
        assert (await other.get("/console/orders")).status_code == 303

        await other.sign_in(shop.people["provider_viewer"])
        await visitor.post("/account/sessions/end-others", page.text)
        assert (await other.get("/console/orders")).status_code == 303
    assert _SESSION.findall((await visitor.get("/account")).text) == []


async def test_the_page_tells_of_sign_ins_and_of_failed_ones(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["provider_viewer"], "not the password")
    await visitor.sign_in(shop.people["provider_viewer"])

    page = await visitor.get("/account")

    assert "登录失败" in page.text
    assert page.text.count(">登录<") == 1


async def test_S12_recovery_codes_are_replaced_against_a_fresh_code(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["provider_owner"])
    phone = Phone(visitor, clock)
    await phone.enrol()
    page = await visitor.get(PAGE)

    refused = await visitor.post(f"{PAGE}/codes", page.text, code=phone.wrong())
    renewed = await visitor.post(f"{PAGE}/codes", page.text, code=phone.code())

    codes = CODES.findall(renewed.text)
    assert refused.status_code == 422
    assert len(set(codes)) == 10
    assert set(codes).isdisjoint(phone.codes)
    await visitor.sign_in(shop.people["provider_owner"])
    form = await visitor.get("/login/totp")
    assert (await phone.give(phone.codes[0], form.text)).status_code == 401
    assert (await phone.give(codes[0], form.text)).status_code == 303


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/149.0 Safari/537.36", "Chrome · Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS like Mac OS X) Version/19.0 Safari/604.1",
            "Safari · iPhone",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/149.0 MicroMessenger/8.0", "WeChat · Android"),
        ("<script>", None),
    ],
)
def test_devices_have_names_people_recognise(header: str, word: str | None) -> None:
    assert device_of(header) == word
