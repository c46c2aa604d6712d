"""The list of differences over HTTP: what differs and why, who may close it, and what that leaves behind."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.audited import acts_of
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_differences import NOTE, STRANGE_NUMBER
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.models import PLATFORM_CHAIN
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from sptenants.reconciliation.models import Difference

_LISTED = re.compile(r'hx-get="[^"]+/(dif_\w+)"')
OWNER, FINANCE, ADMIN = Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE, Role.PLATFORM_ADMIN
OPEN = {"stray", "foreign", "rate", "fee", "refund", "neighbour", "hostile", "amount", "late"}


async def difference(database: Database, shop: Shop, key: str) -> Difference:
    scope = shop.providers[0]
    query = select(Difference).where(
        Difference.provider_id == scope.provider_id, Difference.id == shop.bills.differences[key]
    )
    async with database.read(ProviderScope(scope.provider_id)) as session:
        return (await session.scalars(query)).one()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("", OPEN, id="open, unasked"),
        pytest.param("status=resolved", {"healed", "closed"}, id="resolved"),
        pytest.param("kind=amount", {"amount"}, id="of one kind"),
        pytest.param("kind=nonsense", OPEN, id="a kind that is none"),
        pytest.param("q=01JD3K8W7Q4M6X0B2T9V5H1CZR", {"refund"}, id="by a refund's number"),
        pytest.param("to=2026-11-19", set(), id="until the day before"),
        pytest.param("from=2026-11-20&to=2026-11-20&kind=fee", {"rate", "fee"}, id="of one day"),
    ],
)
async def test_filters_narrow_the_list(visitor: Visitor, shop: Shop, given: str, expected: set[str]) -> None:
    await visitor.sign_in(shop.people[OWNER])

    page = await visitor.get(f"/console/differences?{given}")

    assert set(_LISTED.findall(page.text)) == {shop.bills.differences[key] for key in expected}


async def test_a_line_says_both_amounts_the_gap_and_the_cause(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get("/console/differences")).text

    for words in ("¥128.00", "¥128.01", "+¥0.01", "微信查单金额不同", "+¥1.96520", "不属于任何商户"):
        assert words in text
    assert "<script>alert" not in text


async def test_L03_the_page_of_one_names_cause_evidence_and_what_to_do(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get(f"/console/differences/{shop.bills.differences['late']}")).text

    assert "微信的通知 2026-11-21 00:00:07 才到，已过账单日。" in text
    assert "支付成功" in text
    assert f'/console/orders/{shop.orders["pending"]}"' in text
    assert "再问一次微信" in text
    assert "3 次" in text


async def test_closing_needs_a_note_and_takes_it_off_the_list(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[FINANCE])
    path = f"/console/differences/{shop.bills.differences['amount']}"
    page = await visitor.get(path)

    silent = await visitor.post(f"{path}/close", page.text, note="  ")
    long = await visitor.post(f"{path}/close", page.text, note="很" * 501)
    done = await visitor.post(f"{path}/close", page.text, note="与商户核对：少收一分，已补收。")
    again = await visitor.post(f"{path}/close", page.text, note="再来一次")

    assert [answer.status_code for answer in (silent, long, done, again)] == [422, 422, 303, 422]
    assert 'aria-invalid="true"' in silent.text
    assert f">{'很' * 501}</textarea>" in long.text
    after = (await visitor.get(path)).text
    assert "人工处理 · 钱财" in after
    assert "/close" not in after
    assert shop.bills.differences["amount"] not in (await visitor.get("/console/differences")).text
    acts = await acts_of(database, shop.providers[0].provider_id, "difference.closed")
    assert [(act.actor_name, act.reason) for act in acts] == [("钱财", "与商户核对：少收一分，已补收。")]
    assert (await difference(database, shop, "amount")).next_at is None


async def test_S02_without_the_token_of_the_form_nothing_is_closed(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[OWNER])

    answer = await visitor.post(
        f"/console/differences/{shop.bills.differences['amount']}/close", "", note="没有令牌"
    )

    assert answer.status_code == 403
    assert (await difference(database, shop, "amount")).state == "open"


@pytest.mark.parametrize("role", [Role.PROVIDER_OPERATOR, Role.PROVIDER_VIEWER])
async def test_who_may_not_reconcile_reads_and_settles_nothing(
    visitor: Visitor, shop: Shop, role: Role
) -> None:
    await visitor.sign_in(shop.people[role])
    path = f"/console/differences/{shop.bills.differences['amount']}"
    page = await visitor.get(path)

    assert page.status_code == 200
    assert "<form" not in page.text.partition('id="detail"')[2].partition("</article>")[0]
    for act in ("close", "ask"):
        assert (await visitor.post(f"{path}/{act}", page.text, note="x")).status_code == 403


async def test_wechat_is_asked_again_at_once_where_that_helps(
    visitor: Visitor, shop: Shop, database: Database, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    path, fee = (f"/console/differences/{shop.bills.differences[key]}" for key in ("amount", "fee"))
    page = await visitor.get(path)

    asked = await visitor.post(f"{path}/ask", page.text, htmx=True)
    useless = await visitor.post(f"{fee}/ask", page.text)

    assert (asked.status_code, asked.headers["hx-trigger"]) == (200, "list-outdated")
    assert "已安排再问一次微信" in asked.text
    assert (await difference(database, shop, "amount")).next_at == clock.now()
    assert useless.status_code == 422
    assert "/ask" not in (await visitor.get(fee)).text


async def test_what_a_person_wrote_stays_readable(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])

    text = (await visitor.get(f"/console/differences/{shop.bills.differences['closed']}")).text

    assert NOTE in text
    assert "人工处理 · 王敏" in text


async def test_L05_the_provider_alone_sees_what_belongs_to_nobody(visitor: Visitor, shop: Shop) -> None:
    stray = shop.bills.differences["stray"]
    await visitor.sign_in(shop.people[OWNER])
    assert STRANGE_NUMBER in (await visitor.get(f"/console/differences/{stray}")).text

    await visitor.sign_in(shop.people[Role.MERCHANT_USER])
    for path in (f"/m/differences/{stray}", f"/console/differences/{stray}"):
        assert (await visitor.get(path)).status_code in {403, 404}


async def test_Y4_the_platforms_look_at_differences_is_written_down(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[ADMIN])
    theirs = shop.bills.differences["other provider"]

    listed = await visitor.get(f"/admin/differences?provider={shop.providers[1].provider_id}")
    page = await visitor.get(f"/admin/differences/{theirs}", htmx=True)

    assert _LISTED.findall(listed.text) == [theirs]
    assert "仁康门诊部" in page.text
    assert "<form" not in page.text
    acts = await acts_of(database, PLATFORM_CHAIN, "differences.listed", "difference.viewed")
    assert [(act.action, act.object_id) for act in acts] == [
        ("differences.listed", None),
        ("difference.viewed", theirs),
    ]
    assert acts[1].tenant_id == shop.tenants["仁康门诊部"].tenant_id


async def test_S07_the_list_as_a_file(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    page = await visitor.get("/console/differences")
    assert 'name="kind" value="differences"' in page.text

    file = await visitor.post("/console/exports", page.text, kind="differences", query="status=all")

    lines = file.content.decode("utf-8-sig").split("\r\n")
    assert file.content.startswith(b"\xef\xbb\xbf")
    assert lines[0].split(",")[7:12] == [
        "我方（元）",
        "微信账单（元）",
        "差额（元）",
        "应收手续费（元）",
        "实收手续费（元）",
    ]
    (rate,) = (line for line in lines if shop.bills.differences["rate"] in line)
    assert ",2.94780,4.91300," in rate
    (refund,) = (line for line in lines if shop.bills.differences["refund"] in line)
    assert ",200.00,199.99,-0.01," in refund
    assert "`4200002611202611215530918274" in refund
    assert len(lines) == 1 + len(OPEN) + 2 + 1
    assert LONG_NAME in file.text
    assert shop.bills.differences["other provider"] not in file.text
