"""Keys, webhooks, credentials and the platform's operations over HTTP."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.phone import Phone
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_developers import HOSTILE_ANSWER, LONG_URL
from tests.support.shop_keys import CANDIDATE_VERSION
from tests.support.visitor import Visitor

from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

OWNER, OPERATOR, MERCHANT = "provider_owner", "provider_operator", "merchant_user"
MCH_ID = "1900000109"


async def acts(database: Database, action: str) -> list[AuditRow]:
    async with database.read(PlatformScope("test")) as session:
        found = await session.scalars(select(AuditRow).where(AuditRow.action == action))
        return list(found)


async def test_S13_a_key_is_shown_once_and_never_again(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    form = await visitor.get("/console/api-keys/new")
    tenant = shop.tenants["晨曦咖啡"].tenant_id

    made = await visitor.post(
        "/console/api-keys/new",
        form.text,
        owner=tenant,
        name="收银台",
        rights="orders:read",
        networks="203.0.113.7/24",
    )
    again = await visitor.post(
        "/console/api-keys/new", form.text, owner=tenant, name="收银台", rights="orders:read"
    )
    listed = await visitor.get(f"/console/api-keys?tenant={tenant}")

    secret = re.search(r"wsk_test_[0-9A-Za-z]{32}", made.text)
    assert secret is not None
    assert made.headers["cache-control"] == "no-store"
    assert again.status_code == 422
    assert "已有同名密钥" in again.text
    assert "收银台" in listed.text
    assert "203.0.113.0/24" in listed.text
    assert secret[0] not in listed.text + again.text


async def test_S12_operators_see_keys_and_make_none(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OPERATOR])
    page = await visitor.get("/console/api-keys")
    assert page.status_code == 200
    assert "/console/api-keys/new" not in page.text
    assert "/revoke" not in page.text
    assert (await visitor.get("/console/api-keys/new")).status_code == 403
    assert (await visitor.post("/console/api-keys/new", page.text, name="x")).status_code == 403


async def test_a_merchant_makes_keys_of_their_own_tenant_only(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[MERCHANT])
    form = await visitor.get("/m/api-keys/new")
    gym = shop.tenants[LONG_NAME].tenant_id
    for owner in (gym, "provider"):
        made = await visitor.post(
            "/m/api-keys/new", form.text, owner=owner, name=f"of {owner}", rights="orders:read"
        )
        assert "wsk_test_" in made.text
        assert "wpk_test_" not in made.text
    listed = (await visitor.get("/m/api-keys")).text
    assert f"of {gym}" in listed
    assert "ops" not in re.findall(r'class="c-main" title="([^"]*)"', listed)
    assert (
        await visitor.post("/m/api-keys/new", form.text, name="all", rights="tenants:write")
    ).status_code == 422


async def test_W10_W13_an_endpoint_is_kept_in_the_console(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    form = await visitor.get("/console/webhooks/new")
    tenant = shop.tenants["晨曦咖啡"].tenant_id
    private = await visitor.post(
        "/console/webhooks/new", form.text, tenant_id=tenant, url="https://127.0.0.1/"
    )
    made = await visitor.post(
        "/console/webhooks/new", form.text, tenant_id=tenant, url="https://new.example.com/hook"
    )
    foreign = await visitor.post(
        "/console/webhooks/new",
        form.text,
        tenant_id=shop.tenants["仁康门诊部"].tenant_id,
        url="https://new.example.com/",
    )

    assert (private.status_code, foreign.status_code) == (422, 422)
    assert 'aria-invalid="true"' in private.text
    secret = re.search(r"whsec_[0-9A-Za-z+/=]{44}", made.text)
    endpoint = re.search(r"/console/webhooks/(whe_\w{26})", made.text)
    assert secret is not None
    assert endpoint is not None
    url = f"/console/webhooks/{endpoint[1]}"
    page = await visitor.get(url)
    assert secret[0] not in page.text
    assert (await visitor.post(f"{url}/test", page.text)).status_code == 303
    rotated = await visitor.post(f"{url}/rotate", page.text)
    assert re.search(r"whsec_[0-9A-Za-z+/=]{44}", rotated.text)
    assert "旧密钥同时签名至" in (await visitor.get(url)).text
    assert (await visitor.post(f"{url}/remove", page.text)).status_code == 422
    assert (await visitor.post(f"{url}/remove", page.text, sure="yes")).status_code == 303
    assert (await visitor.get(url)).status_code == 404


async def test_W14_a_delivery_page_shows_what_was_sent_and_no_signature(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[MERCHANT])
    made = shop.developers["晨曦咖啡"]
    url = f"/m/webhooks/{made['endpoint']}"

    listed = await visitor.get(f"{url}?status=failed&answered=5xx&type=payment.succeeded&range=7d")
    none = await visitor.get(f"{url}?answered=3xx")
    rates = await visitor.get("/m/webhooks")
    page = await visitor.get(f"{url}/deliveries/{made['delivery']}")
    elsewhere = await visitor.get(f"/m/webhooks/{made['key']}/deliveries/{made['delivery']}")
    resent = await visitor.post(f"{url}/deliveries/{made['delivery']}/resend", page.text)

    assert LONG_URL in listed.text
    assert made["delivery"] in listed.text
    assert "没有符合条件的投递" in none.text
    assert "60%" in rates.text
    assert made["event"] in page.text
    assert HOSTILE_ANSWER not in page.text
    assert "webhook-signature: v1,••••••" in page.text
    assert elsewhere.status_code == 404
    assert resent.status_code == 303


async def test_S12_what_is_mistyped_beside_a_code_costs_no_code(
    visitor: Visitor, shop: Shop, clock: HeldClock
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    phone = Phone(visitor, clock)
    await phone.enrol()
    page = await visitor.get("/console/credentials")
    api_key = {"owner": shop.tenants["晨曦咖啡"].tenant_id, "name": "收银台", "rights": "orders:read"}
    candidate = {"version": str(CANDIDATE_VERSION)}
    for url, good, mistyped, done in (
        ("/console/credentials/api-v2-key/promote", candidate, {"version": "8"}, 303),
        ("/console/credentials/api-v2-key", {"api_v2_key": "n" * 32}, {"api_v2_key": "n" * 31}, 303),
        ("/console/api-keys/new", api_key, {"name": ""}, 200),
        ("/console/api-keys/new", api_key | {"name": "自助机"}, {"name": "收银台"}, 200),
    ):
        code = phone.code()
        refused = await visitor.post(url, page.text, **good | mistyped, code=code)
        taken = await visitor.post(url, page.text, **good, code=code)
        used_up = await visitor.post(url, page.text, **good, code=code)

        assert (refused.status_code, taken.status_code, used_up.status_code) == (422, done, 422), url
        clock.advance(seconds=60)


async def test_A07_suspending_a_provider_needs_a_reason_and_is_in_both_chains(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    provider = shop.providers[0].provider_id
    url = f"/admin/service-providers/{provider}"
    page = await visitor.get(url)

    without = await visitor.post(f"{url}/suspend", page.text)
    done = await visitor.post(f"{url}/suspend", page.text, reason="欠费")
    twice = await visitor.post(f"{url}/suspend", page.text, reason="欠费")

    assert (without.status_code, done.status_code, twice.status_code) == (422, 303, 422)
    rows = [row for row in await acts(database, "provider.changed") if row.object_id == provider]
    rows = [row for row in rows if row.after == {"status": "suspended"}]
    assert {row.chain for row in rows} == {provider, PLATFORM_CHAIN}
    assert {row.reason for row in rows} == {"欠费"}
    assert len(await acts(database, "provider.viewed")) >= 1


async def test_a_provider_is_registered_and_its_owner_invited(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people["platform_admin"])
    form = await visitor.get("/admin/service-providers/new")
    fields = {
        "name": "新服务商",
        "mode": "test",
        "kind": "ordinary",
        "mch_id": "1900000333",
        "appid": "wx0123456789abcdef",
        "sign_type": "HMAC-SHA256",
    }
    wrong = await visitor.post("/admin/service-providers/new", form.text, **fields | {"mch_id": "x"})
    made = await visitor.post("/admin/service-providers/new", form.text, **fields)
    again = await visitor.post("/admin/service-providers/new", form.text, **fields)
    invited = await visitor.post(f"{made.headers['location']}/invite", form.text, email="o@example.com")

    assert (wrong.status_code, made.status_code, again.status_code) == (422, 303, 422)
    assert "该商户号在此环境中已登记" in again.text
    assert "/invite/" in invited.text


async def test_the_platforms_operations_are_seen_and_only_administrators_retry(
    visitor: Visitor, shop: Shop
) -> None:
    made = shop.developers["晨曦咖啡"]
    retry = f"/admin/jobs/deliveries/{made['delivery']}/retry"
    for role, expected in (("platform_auditor", 403), ("platform_admin", 303)):
        await visitor.sign_in(shop.people[role])
        jobs = await visitor.get("/admin/jobs")
        assert made["delivery"] in jobs.text
        assert ("/retry" in jobs.text) == (role == "platform_admin")
        assert (await visitor.post(retry, jobs.text)).status_code == expected
    health = (await visitor.get("/admin/health")).text
    assert "没有后台任务进程" in health
    settings = (await visitor.get("/admin/settings")).text
    assert "WXSP_MASTER_KEY" in settings
    assert "AAECAwQ" not in settings
    assert "5157BEEF" in (await visitor.get("/admin/certificates")).text


@pytest.mark.parametrize("path", ["/console/webhooks", "/console/api-keys", "/admin/tenants"])
async def test_a_cursor_that_is_not_ours_shows_the_first_page(
    visitor: Visitor, shop: Shop, path: str
) -> None:
    await visitor.sign_in(shop.people["platform_admin" if path.startswith("/admin") else OWNER])
    page = await visitor.get(f"{path}?cursor=nonsense")
    assert page.status_code == 200
    assert "不是有效的翻页游标" in page.text
