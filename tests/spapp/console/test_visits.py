"""The platform in a provider's console: announced, reading only, and over by itself (T09, S01, S11)."""

from __future__ import annotations

from litestar import Litestar
from litestar.testing import AsyncTestClient
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.phone import Phone
from tests.support.shop import Shop
from tests.support.visitor import PUBLIC_URL, Visitor, site, site_environment

from spapp.console.frame.looking import ROUTINE
from spapp.web import guards
from spapp.web.guards import PAGE_AREAS
from spapp.wiring import build
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.audit.verifier import verify
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope
from spcore.settings import Settings

REASON = "工单 4711：核对退款"


async def rows(database: Database, action: str) -> list[AuditRow]:
    async with database.read(PlatformScope("test")) as session:
        query = select(AuditRow).where(AuditRow.action == action).order_by(AuditRow.chain, AuditRow.seq)
        return list(await session.scalars(query))


async def enter(visitor: Visitor, shop: Shop, provider: int = 0) -> None:
    path = f"/admin/service-providers/{shop.providers[provider].provider_id}/visit"
    form = await visitor.get(path)
    entered = await visitor.post(path, form.text, reason=REASON)
    assert (entered.status_code, entered.headers["location"]) == (303, "/console")


async def test_T09_a_visit_is_announced_to_both_and_every_page_is_written_down(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    await enter(visitor, shop, provider=1)

    orders = await visitor.get("/console/orders?range=all")

    assert "正在以平台身份查看 汇通科技" in orders.text
    assert f"理由：{REASON}" in orders.text
    assert "还剩 30 分钟" in orders.text
    assert shop.orders["other tenant"] in orders.text
    assert shop.orders["latest"] not in orders.text
    assert (await visitor.get("/admin/transactions")).status_code == 403
    begun = await rows(database, "visit.begun")
    assert {row.chain for row in begun} == {PLATFORM_CHAIN, shop.providers[1].provider_id}
    assert {row.reason for row in begun} == {REASON}
    (look,) = await rows(database, "visit.page_viewed")
    assert (look.chain, look.reason) == (shop.providers[1].provider_id, REASON)
    assert look.after is not None
    assert look.after["path"] == "/console/orders?range=all"

    left = await visitor.post("/visit/end", orders.text)
    assert left.headers["location"] == "/"
    assert (await visitor.get("/console/orders")).status_code == 403
    assert (await visitor.get("/admin/transactions")).status_code == 200
    ended = await rows(database, "visit.ended")
    assert {row.chain for row in ended} == {PLATFORM_CHAIN, shop.providers[1].provider_id}
    assert (await verify(database)).ok


async def test_S01_entering_and_leaving_change_the_token(visitor: Visitor, shop: Shop) -> None:
    signed_in = await visitor.sign_in(shop.people["platform_admin"])
    path = f"/admin/service-providers/{shop.providers[0].provider_id}/visit"
    entered = await visitor.post(path, (await visitor.get(path)).text, reason=REASON)
    left = await visitor.post("/visit/end", (await visitor.get("/console/orders")).text)

    tokens = {answer.headers["set-cookie"].split(";")[0] for answer in (signed_in, entered, left)}
    assert len(tokens) == 3


async def test_T09_a_visitor_changes_nothing_on_any_page(
    visitor: Visitor, shop: Shop, database_url: str, clock: HeldClock
) -> None:
    app: Litestar = site(database_url, clock)
    await visitor.sign_in(shop.people["platform_admin"])
    await enter(visitor, shop)
    page = await visitor.get("/console/orders")
    tried = 0
    for route in guards.routes(app):
        if route.area in PAGE_AREAS and route.method == "POST" and route.path != "/visit/end":
            path = "/".join(
                "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN" if part.startswith("{") else part
                for part in route.path.split("/")
            )
            assert (await visitor.post(path, page.text)).status_code == 403, route.path
            tried += 1
    assert tried > 20


async def test_a_visit_needs_a_reason_and_a_fresh_code(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    phone = Phone(visitor, clock)
    await phone.enrol()
    path = f"/admin/service-providers/{shop.providers[0].provider_id}/visit"
    form = await visitor.get(path)

    short = await visitor.post(path, form.text, reason="看看", code=phone.code())
    wrong = await visitor.post(path, form.text, reason=REASON, code=phone.wrong())
    none = await visitor.post(path, form.text, reason=REASON)
    right = await visitor.post(path, form.text, reason=REASON, code=phone.code())

    assert [answer.status_code for answer in (short, wrong, none, right)] == [422, 422, 422, 303]
    assert 'aria-describedby="reason-wrong reason-help"' in short.text
    assert REASON in wrong.text
    nowhere = "/admin/service-providers/prv_01JD3K8W7Q4M6X0B2T9V5H1CZN/visit"
    await visitor.post("/visit/end", (await visitor.get("/console/orders")).text)
    assert (await visitor.get(nowhere)).status_code == 404


async def test_only_administrators_visit(visitor: Visitor, shop: Shop) -> None:
    path = f"/admin/service-providers/{shop.providers[0].provider_id}/visit"
    for role in ("platform_auditor", "provider_owner", "merchant_user"):
        await visitor.sign_in(shop.people[role])
        assert (await visitor.get(path)).status_code == 403, role


async def test_a_visit_ends_by_itself_and_with_its_session(
    visitor: Visitor, shop: Shop, database: Database, database_url: str, clock: HeldClock
) -> None:
    services = build(Settings.from_env(site_environment(database_url)), clock)
    try:
        await visitor.sign_in(shop.people["platform_admin"])
        await enter(visitor, shop)
        page = await visitor.get("/console/orders")
        assert await services.visits.end_due() == 0
        await visitor.post("/logout", page.text)
        assert await services.visits.end_due() == 1

        await visitor.sign_in(shop.people["platform_admin"])
        await enter(visitor, shop)
        clock.advance(minutes=29)
        assert "还剩 1 分钟" in (await visitor.get("/console/orders")).text
        clock.advance(minutes=1)
        assert (await visitor.get("/console/orders")).status_code == 403
        assert await services.visits.end_due() == 1
        assert await services.visits.end_due() == 0
    finally:
        await services.close()
    ended = [row.after for row in await rows(database, "visit.ended") if row.chain == PLATFORM_CHAIN]
    assert [after["ended_by"] for after in ended if after] == ["session", "time"]


async def test_T09_the_stated_reason_stands_in_every_look(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_auditor"])
    page = await visitor.get("/admin/transactions")
    assert "本次查看的理由：例行巡查" in page.text

    stated = await visitor.post("/admin/look-reason", page.text, reason=REASON, next="/admin/transactions")
    again = await visitor.get("/admin/transactions")
    short = await visitor.post("/admin/look-reason", again.text, reason="x")
    await visitor.post("/admin/look-reason", again.text, reason="")
    await visitor.get("/admin/transactions")

    assert stated.headers["location"] == "/admin/transactions"
    assert f"本次查看的理由：{REASON}" in again.text
    assert short.status_code == 422
    looks = [row.reason for row in await rows(database, "orders.listed")][-3:]
    assert looks == [ROUTINE, REASON, ROUTINE]


async def test_S11_a_visit_is_over_when_its_session_is_ended(
    visitor: Visitor, shop: Shop, database_url: str, clock: HeldClock
) -> None:
    async with AsyncTestClient(site(database_url, clock), base_url=PUBLIC_URL) as client:
        other = Visitor(client)
        await visitor.sign_in(shop.people["platform_admin"])
        await enter(visitor, shop)
        await other.sign_in(shop.people["platform_admin"])
        account = await other.get("/account")
        await other.post("/account/sessions/end-others", account.text)

    assert (await visitor.get("/console/orders")).status_code == 303
