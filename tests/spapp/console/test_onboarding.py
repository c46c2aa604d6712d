"""The wizard, the import page, tenant changes and the merchant's link over HTTP, without JavaScript."""

from __future__ import annotations

import re

import pytest
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_onboarding import DRAFT, LINK_TOKEN, PHONE, SHARED_APPID
from tests.support.visitor import Visitor

OWNER = "provider_owner"
SECRET = "CANARYappsecret0123456789abcdef0"


@pytest.fixture
async def owner(visitor: Visitor, shop: Shop) -> Visitor:
    await visitor.sign_in(shop.people[OWNER])
    return visitor


async def test_a_draft_is_begun_with_its_name_alone_and_resumed(owner: Visitor) -> None:
    form = await owner.get("/console/tenants/new")
    made = await owner.post("/console/tenants/new", form.text, name="小满酒馆", act="next", status="live")

    assert made.status_code == 303
    step = made.headers["location"]
    assert re.fullmatch(r"/console/tenants/ten_\w{26}/onboard/2", step)
    resumed = await owner.get(step.removesuffix("/2"))
    assert resumed.headers["location"] == step
    assert "草稿" in (await owner.get(step.removesuffix("/onboard/2"))).text  # T03: the status was not taken


async def test_a_refused_step_is_shown_again_with_what_was_typed(owner: Visitor) -> None:
    form = await owner.get("/console/tenants/new")
    again = await owner.post("/console/tenants/new", form.text, name="晨曦咖啡", contact_phone="abc")

    assert again.status_code == 422
    assert 'value="abc"' in again.text
    assert again.text.count('aria-invalid="true"') >= 1
    assert 'role="alert"' in again.text


async def test_a_draft_that_was_typed_is_there_the_next_time(owner: Visitor, shop: Shop) -> None:
    base = f"/console/tenants/{shop.tenants[DRAFT].tenant_id}/onboard"
    page = await owner.get(f"{base}/2")
    kept = await owner.post(f"{base}/draft", page.text, step="2", sub_mch_id="16000", app_secret=SECRET)

    assert (kept.status_code, "已自动保存" in kept.text) == (200, True)
    again = (await owner.get(f"{base}/2")).text
    assert 'value="16000"' in again
    assert SECRET not in again


async def test_S13_an_app_secret_goes_in_and_never_comes_back(owner: Visitor, shop: Shop) -> None:
    base = f"/console/tenants/{shop.tenants[DRAFT].tenant_id}/onboard"
    page = await owner.get(f"{base}/3")
    fields = {"sub_appid": "wx77aabbccddeeff00", "kind": "miniprogram", "owner": "merchant", "act": "add"}
    added = await owner.post(f"{base}/3", page.text, app_secret=SECRET, **fields)

    assert added.status_code == 303
    shown = (await owner.get(f"{base}/3")).text
    assert f"••••••{SECRET[-4:]}" in shown
    binding = re.search(r"/console/bindings/bnd_\w{26}", shown)
    assert binding is not None
    for text in (added.text, shown, (await owner.get(binding[0])).text):
        assert SECRET not in text
    refused = await owner.post(f"{base}/3", page.text, app_secret=SECRET, **fields)
    assert (refused.status_code, SECRET in refused.text) == (422, False)


async def test_a_contact_is_masked_but_where_it_is_edited(owner: Visitor, shop: Shop) -> None:
    url = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}"

    assert "138****1234" in (await owner.get(url)).text
    assert PHONE not in (await owner.get(url)).text
    assert PHONE in (await owner.get(f"{url}/onboard/1")).text


async def test_closing_asks_for_the_name_and_a_reason(owner: Visitor, shop: Shop) -> None:
    url = f"/console/tenants/{shop.tenants[DRAFT].tenant_id}"
    page = (await owner.get(url)).text

    refused = await owner.post(f"{url}/status", page, to="closed", reason="", confirm="别的")
    assert refused.status_code == 422
    done = await owner.post(f"{url}/status", page, to="closed", reason="合同终止", confirm=DRAFT)
    assert done.status_code == 303
    assert "已关闭" in (await owner.get(url)).text


async def test_limits_are_checked_and_stored(owner: Visitor, shop: Shop) -> None:
    url = f"/console/tenants/{shop.tenants['晨曦咖啡'].tenant_id}"
    page = (await owner.get(url)).text

    refused = await owner.post(f"{url}/settings", page, server_per_second="0", session_per_second="20")
    assert refused.status_code == 422
    fields = {"server_per_second": "300", "session_per_second": "20", "merchant_refunds": "yes"}
    assert (await owner.post(f"{url}/settings", page, **fields)).status_code == 303
    assert 'value="300"' in (await owner.get(url)).text


async def test_a_list_is_tried_before_it_is_taken(owner: Visitor) -> None:
    url, text = "/console/tenants/import", "商户名称,特约商户号\n<script>x</script>,1600000999\n"
    page = await owner.get(url)
    tried = await owner.post(url, page.text, text=text, act="try")
    assert tried.status_code == 200
    assert "<script>x" not in tried.text
    digest = re.search(r'name="digest" value="(\w{64})"', tried.text)
    assert digest is not None

    changed = await owner.post(url, page.text, text=f"{text}乙,1600000998\n", digest=digest[1], act="apply")
    assert changed.status_code == 422
    done = await owner.post(url, page.text, text=text, digest=digest[1], act="apply")
    assert (done.status_code, "已导入" in done.text) == (200, True)


async def test_B17_an_appid_of_several_tenants_is_grouped(owner: Visitor) -> None:
    text = (await owner.get("/console/bindings?status=shared")).text

    assert text.count(f">{SHARED_APPID}</a>") == 2
    assert "2 个商户共用" in text


async def test_B18_the_link_shows_one_tenant_and_takes_ticks_without_an_account(
    visitor: Visitor, shop: Shop
) -> None:
    page = await visitor.get(f"/o/{LINK_TOKEN}")
    assert page.status_code == 200
    assert "阿婆生煎" in page.text
    for other in ("晨曦咖啡", LONG_NAME, "仁康门诊部", "1900000109"):
        assert other not in page.text

    ticked = await visitor.post(f"/o/{LINK_TOKEN}/tick", page.text, code="signed", done="yes")
    assert ticked.status_code == 303
    assert "都完成了" in (await visitor.get(f"/o/{LINK_TOKEN}")).text
    foreign = await visitor.post(
        f"/o/{LINK_TOKEN}/tick", page.text, code=f"binding:{shop.bindings['晨曦咖啡']}", done="yes"
    )
    assert foreign.status_code == 404
    assert (await visitor.get(f"/o/{'y' * 43}")).status_code == 410


async def test_Y3_the_pages_of_a_strangers_tenant_are_not_there(owner: Visitor, shop: Shop) -> None:
    far = f"/console/tenants/{shop.tenants['仁康门诊部'].tenant_id}"
    home = (await owner.get("/console/tenants")).text

    for step in range(1, 8):
        assert (await owner.get(f"{far}/onboard/{step}")).status_code == 404
        if step < 7:
            assert (await owner.post(f"{far}/onboard/{step}", home, act="next")).status_code == 404
    for act in ("onboard/draft", "onboard/tick", "onboard/link", "onboard/unlink", "status", "settings"):
        assert (await owner.post(f"{far}/{act}", home, step="1")).status_code == 404
    binding = f"/console/bindings/{shop.bindings['仁康门诊部']}"
    assert (await owner.get(binding)).status_code == 404
    for act in ("check", "edit", "secret", "remove"):
        assert (await owner.post(f"{binding}/{act}", home)).status_code == 404
