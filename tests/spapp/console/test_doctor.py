"""The doctor's pages, trials and going live, as people meet them (B-8, B-11, B-17)."""

from __future__ import annotations

from tests.support.shop import LONG_NAME, Shop
from tests.support.visitor import Visitor

from spapp.accounts.models import Role


def of(shop: Shop, name: str = "晨曦咖啡") -> str:
    return f"/console/tenants/{shop.tenants[name].tenant_id}"


async def test_B8_every_row_shows_cause_repair_and_who_acts(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_VIEWER])

    page = (await visitor.get(f"{of(shop)}/doctor")).text

    assert "通知地址返回了网页（HTTP 403）" in page
    assert "由平台处理" in page
    assert "wx5b77e40aa1c2d3e4" in page
    assert "2 项失败" in page
    assert f'action="{of(shop)}/doctor"' not in page  # a viewer may look, and not have WeChat asked
    assert "style=" not in page


async def test_B8_the_list_names_the_first_thing_to_settle(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OPERATOR])

    page = (await visitor.get("/console/doctor")).text

    assert f'href="{of(shop)}/doctor"' in page
    assert "通知地址自检" in page
    assert "还剩 18 天" in page
    assert "<script>alert" not in page
    assert "仁康门诊部" not in page
    assert (await visitor.get("/console/doctor?cursor=nonsense")).status_code == 200


async def test_B11_a_certificate_shows_its_evidence_and_nothing_that_signs(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OWNER])

    page = (await visitor.get(f"{of(shop)}/certificates/{shop.trials['certificate']}")).text

    assert shop.trials["certificate"] in page
    assert "4200002611202611215530918274" in page
    assert "整份证明" in page


async def test_B11_htmx_asks_for_the_lamps_alone(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OWNER])
    url = f"{of(shop)}/trials/{shop.trials['trial']}"

    whole, part = (await visitor.get(url)).text, (await visitor.get(url, htmx=True)).text

    assert "<h1>" in whole
    assert part.lstrip().startswith('<div id="lamps"')
    assert "every 2s" not in part  # it passed: there is nothing left to wait for


async def test_B17_going_live_is_refused_with_what_is_missing(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OPERATOR])
    url = f"{of(shop, '阿婆生煎')}/go-live"
    page = await visitor.get(url)

    refused = await visitor.post(url, page.text)
    overruled = await visitor.post(url, page.text, overrule="yes", reason="赶时间")

    assert refused.status_code == 422
    assert "还不能上线" in refused.text
    assert overruled.status_code == 403


async def test_B17_an_owner_overrules_with_a_reason_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OWNER])
    url = f"{of(shop, '阿婆生煎')}/go-live"
    page = await visitor.get(url)

    silent = await visitor.post(url, page.text, overrule="yes", reason="  ")
    done = await visitor.post(url, page.text, overrule="yes", reason="线下已试付并退回")

    assert silent.status_code == 422
    assert "请写明" in silent.text
    assert (done.status_code, done.headers["location"]) == (303, of(shop, "阿婆生煎"))
    assert "该商户已上线" in (await visitor.get(url)).text


async def test_a_tenant_that_was_never_examined_says_so(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[Role.PROVIDER_OWNER])

    page = (await visitor.get(f"{of(shop, LONG_NAME)}/doctor")).text

    assert "还没有体检" in page
    assert "开始体检" in page
