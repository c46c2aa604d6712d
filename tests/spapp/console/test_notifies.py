"""The journal of notifications: found, shown without secrets, and replayed by those who may (B-4, C6)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select
from tests.support.money_desk import MoneyDesk
from tests.support.phone import Phone
from tests.support.shop import LONG_NAME, Shop
from tests.support.shop_notifies import NONCE, OPENID
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spcore.audit.models import PLATFORM_CHAIN, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from sptenants.orders.states import OrderStatus
from wechatpay.credentials import V2Key
from wechatpay.v2 import envelope

_LISTED = re.compile(r'hx-get="[^"]+/(ntf_\w+)"')
_SECRET = re.compile(r"\b(?:[0-9A-F]{64}|[0-9a-f]{64}|[0-9A-F]{32})\b")
OWNER, VIEWER, ADMIN = "provider_owner", "provider_viewer", "platform_auditor"
OTHER_KEY = "ZYXWVUTSRQPONMLKJIHGFEDCBA987654"


def own(shop: Shop) -> set[str]:
    return {notification for key, notification in shop.notifies.items() if not key.endswith("of clinic")}


EVERYTHING = None
FILTERS: dict[str, set[str] | None] = {
    "": EVERYTHING,
    "status=processed": {"processed", "v3", "v3 test"},
    "status=duplicate": {"duplicate"},
    "status=rejected": {"forged", "garbage", "hostile", "v3 unknown key", "v3 hostile", "v3 probe"},
    "status=unmatched": {"unmatched", "waiting"},
    "status=mismatch": {"mismatch"},
    "status=deferred": {"deferred"},
    "kind=refund": {"deferred"},
    "kind=security": {"v3 test"},
    "range=yesterday": set(),
    "q=4200002611202611215530918999": {"unmatched", "waiting", "mismatch"},
    "q=nothing-of-the-kind": set(),
    "status=nonsense&kind=x&cursor=!!": EVERYTHING,
}


async def test_filters_narrow_the_list(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    for given, expected in FILTERS.items():
        page = await visitor.get(f"/console/notifies?{given}")
        found = set(_LISTED.findall(page.text))
        assert page.status_code == 200, given
        assert found == (own(shop) if expected is None else {shop.notifies[key] for key in expected}), given


async def test_a_notification_is_found_by_order_and_by_its_own_id(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    by_order = await visitor.get(f"/console/notifies?q={shop.orders['refunded']}")
    by_id = await visitor.get(f"/console/notifies?q={shop.notifies['forged']}")
    tenant = shop.tenants[LONG_NAME].tenant_id
    by_tenant = await visitor.get(f"/console/notifies?tenant={tenant}")
    assert _LISTED.findall(by_order.text) == [shop.notifies["duplicate"]]
    assert _LISTED.findall(by_id.text) == [shop.notifies["forged"]]
    assert _LISTED.findall(by_tenant.text) == [shop.notifies["mismatch"]]


async def test_an_empty_journal_shows_the_addresses_to_expect_them_at(money: MoneyDesk) -> None:
    await money.sign_in()
    page = await money.visitor.get("/console/notifies")
    route_key = money.till.caller.tenant.route_key
    assert "还没有收到通知" in page.text
    assert f"/notify/wechat/{route_key}/v2/payment" in page.text


async def test_C6_a_page_never_shows_signature_nonce_or_openid(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    for key in ("processed", "forged", "garbage", "hostile", "mismatch", "deferred"):
        url = f"/console/notifies/{shop.notifies[key]}"
        answers = [
            await visitor.get(url),
            await visitor.get(url, htmx=True),
            await visitor.get(f"{url}/export"),
        ]
        for answer in answers:
            assert answer.status_code == 200
            assert not _SECRET.search(answer.text), key
            assert OPENID not in answer.text
            assert NONCE not in answer.text
        assert "<script>alert" not in answers[0].text + answers[1].text


async def test_a_page_says_why_and_leads_to_the_order(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[VIEWER])
    refused = await visitor.get(f"/console/notifies/{shop.notifies['forged']}")
    fine = await visitor.get(f"/console/notifies/{shop.notifies['processed']}", language="en")
    assert "签名不正确" in refused.text
    assert f"/console/orders/{shop.orders['latest']}" in fine.text
    assert "Key version 1" in fine.text
    for closed in ("/replay", "/export"):
        assert closed not in refused.text, "a reader only reads"


async def test_Y4_a_platform_look_is_audited_before_it_is_shown(
    visitor: Visitor, shop: Shop, database: Database
) -> None:
    await visitor.sign_in(shop.people[ADMIN])
    page = await visitor.get(f"/admin/notifies/{shop.notifies['of clinic']}")
    query = select(AuditRow).where(AuditRow.chain == PLATFORM_CHAIN, AuditRow.action == "notification.viewed")
    async with database.read(PlatformScope("test")) as session:
        rows = list(await session.scalars(query))
    assert page.status_code == 200
    assert "/replay" not in page.text
    assert [(row.object_id, row.tenant_id) for row in rows] == [
        (shop.notifies["of clinic"], shop.tenants["仁康门诊部"].tenant_id)
    ]


async def stored(money: MoneyDesk) -> tuple[str, str]:
    """Have a genuine notification refused for a key that was not known yet, and let it be known."""
    order = await money.till.placed()
    assert order.out_trade_no is not None
    money.till.wechat.pay(order.out_trade_no, money.clock.now())
    await money.till.tell(money.till.wechat.notification(order.out_trade_no, V2Key(2, OTHER_KEY)))
    provider_id = money.till.scope.provider_id
    async with money.till.database.write(ProviderScope(provider_id)) as session:
        common: dict[str, Any] = {"provider_id": provider_id, "now": money.clock.now()}
        secret = OTHER_KEY.encode()
        await put_key(session, money.till.vault, kind=KeyKind.API_V2, secret=secret, **common)
    return order.id, (await money.till.journal())[-1].id


@pytest.mark.parametrize("htmx", [True, False])
async def test_B4_a_replay_is_previewed_then_applied_with_a_reason(money: MoneyDesk, htmx: bool) -> None:
    order_id, notification_id = await stored(money)
    await money.sign_in(Role.PROVIDER_OPERATOR)
    url = f"/console/notifies/{notification_id}"
    page = await money.visitor.get(url)

    preview = await money.visitor.post(f"{url}/replay", page.text, htmx=htmx)
    assert preview.status_code == 200
    assert "重新处理会把订单改为支付成功" in preview.text
    assert (await money.till.order(order_id)).status is OrderStatus.PENDING

    nothing = await money.visitor.post(f"{url}/replay/apply", page.text, htmx=htmx, reason=" ")
    assert nothing.status_code == 422
    assert 'aria-invalid="true"' in nothing.text
    assert (await money.till.order(order_id)).status is OrderStatus.PENDING

    done = await money.visitor.post(f"{url}/replay/apply", page.text, htmx=htmx, reason="密钥换过")
    assert done.status_code == (200 if htmx else 303)
    assert (await money.till.order(order_id)).status is OrderStatus.PAID
    again = await money.visitor.get(url)
    assert "赵运 重新处理过" in again.text
    assert "密钥换过" in again.text
    assert await money.audited("notification.replayed") == [("notification.replayed", "赵运", "密钥换过")]


async def test_S12_a_replay_asks_for_a_fresh_code_where_there_is_a_second_factor(
    money: MoneyDesk, owners_phone: Phone
) -> None:
    order_id, notification_id = await stored(money)
    await money.sign_in()
    await owners_phone.enrol()
    await money.sign_in_with(owners_phone)
    url = f"/console/notifies/{notification_id}"
    page = await money.visitor.get(url)
    preview = await money.visitor.post(f"{url}/replay", page.text)
    assert 'name="code"' in preview.text

    without = await money.visitor.post(f"{url}/replay/apply", page.text, reason="密钥换过")
    assert without.status_code == 422
    assert (await money.till.order(order_id)).status is OrderStatus.PENDING

    code = owners_phone.code()
    done = await money.visitor.post(f"{url}/replay/apply", page.text, reason="密钥换过", code=code)
    assert done.status_code == 303
    assert (await money.till.order(order_id)).status is OrderStatus.PAID


async def test_N01_what_is_not_genuine_has_no_button_to_apply_it(money: MoneyDesk) -> None:
    order = await money.till.placed()
    fields = envelope.parse(await money.till.paid_body(order))
    await money.till.tell(envelope.build(fields | {"total_fee": "1"}))
    notification_id = (await money.till.journal())[-1].id
    await money.sign_in()
    url = f"/console/notifies/{notification_id}"
    page = await money.visitor.get(url)
    preview = await money.visitor.post(f"{url}/replay", page.text)
    forced = await money.visitor.post(f"{url}/replay/apply", page.text, reason="x")
    assert "不能重新处理" in preview.text
    assert "/replay/apply" not in preview.text
    assert forced.status_code == 422
    assert (await money.till.order(order.id)).status is OrderStatus.PENDING


async def test_an_export_is_audited_and_a_download(money: MoneyDesk) -> None:
    _, notification_id = await stored(money)
    await money.sign_in(Role.PROVIDER_FINANCE)
    answer = await money.visitor.get(f"/console/notifies/{notification_id}/export")
    assert answer.headers["content-disposition"] == f'attachment; filename="{notification_id}.txt"'
    assert "out_trade_no" in answer.text
    assert await money.audited("notification.exported") == [("notification.exported", "钱财", None)]
