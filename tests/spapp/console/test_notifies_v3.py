"""Pages of notifications and the sign inspector for API v3: which key, what is inside, no secret (B-1)."""

from __future__ import annotations

import json
import re

import pytest
from tests.support.certificates import public_pem, rsa_key
from tests.support.money_desk import MoneyDesk
from tests.support.shop import Shop
from tests.support.shop_keys import PUBLIC_KEY_ID
from tests.support.till import FACTS, add_provider
from tests.support.till_v3 import V3_KEY, equip, move
from tests.support.visitor import Visitor
from tests.support.wechat_v3 import Sent, WechatV3

from spapp.accounts.models import Role
from spcore.db.scope import ProviderScope
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind
from sptenants.notify.journal import Incoming
from sptenants.orders.states import OrderStatus

OWNER, AUDITOR = "provider_owner", "platform_auditor"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
PAGE = "/console/inspector"
_LONG = re.compile(r"[0-9A-Za-z+/]{100,}")


async def test_a_page_shows_version_key_id_and_what_is_inside_masked(visitor: Visitor, shop: Shop) -> None:
    await visitor.sign_in(shop.people[OWNER])
    url = f"/console/notifies/{shop.notifies['v3']}"
    for answer in (await visitor.get(url), await visitor.get(url, htmx=True)):
        assert answer.status_code == 200
        assert PUBLIC_KEY_ID in answer.text
        assert "EV-2026112108003000001" in answer.text
        assert "TRANSACTION.SUCCESS" in answer.text
        assert "amount.payer_total" in answer.text
        assert "payer.sub_openid" in answer.text
        assert "oUpF8****eS6o" in answer.text
        assert "密钥版本 2" in answer.text


async def test_C6_no_page_or_export_shows_signature_nonce_cipher_text_or_openid(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people[OWNER])
    for key in ("v3", "v3 test", "v3 unknown key", "v3 hostile", "v3 probe"):
        url = f"/console/notifies/{shop.notifies[key]}"
        for answer in (await visitor.get(url), await visitor.get(f"{url}/export")):
            assert answer.status_code == 200, key
            assert not _LONG.search(answer.text), key
            assert OPENID not in answer.text, key
            assert not re.search(r"N0{20}", answer.text), key
        assert "<script>alert" not in (await visitor.get(url)).text


async def test_what_is_inside_is_for_the_provider_and_not_for_the_platform(
    visitor: Visitor, shop: Shop
) -> None:
    await visitor.sign_in(shop.people[AUDITOR])
    page = await visitor.get(f"/admin/notifies/{shop.notifies['v3']}")
    assert page.status_code == 200
    assert "EV-2026112108003000001" in page.text
    assert "payer_total" not in page.text


async def test_an_empty_journal_names_the_addresses_of_the_providers_api(money: MoneyDesk) -> None:
    await move(money.till, "v3")
    await money.sign_in()
    page = await money.visitor.get("/console/notifies")
    assert f"/notify/wechat/{money.till.caller.tenant.route_key}/v3/payment" in page.text
    assert "/v2/payment" not in page.text


@pytest.fixture
async def wechat(money: MoneyDesk) -> WechatV3:
    await equip(money.till)
    await move(money.till, "v3")
    return WechatV3(books=money.till.wechat)


async def letter(money: MoneyDesk, wechat: WechatV3) -> tuple[str, Sent]:
    order = await money.till.placed()
    money.till.wechat.pay(order.out_trade_no or "", money.clock.now())
    return order.id, wechat.payment(order.out_trade_no or "", money.clock.now())


def as_text(sent: Sent, body: bytes | None = None) -> str:
    lines = [f"{name}: {value}" for name, value in sent.headers.items()]
    return "\n".join(("POST /notify HTTP/1.1", *lines, "", (body or sent.body).decode()))


async def put_public_key(money: MoneyDesk, provider_id: str, label: str, name: str) -> None:
    async with money.till.database.write(ProviderScope(provider_id)) as session:
        await put_key(
            session,
            money.till.vault,
            provider_id=provider_id,
            kind=KeyKind.WECHATPAY_PUBLIC_KEY,
            secret=public_pem(rsa_key(name)),
            now=money.clock.now(),
            label=label,
        )


async def test_B4_a_message_of_an_unknown_key_is_replayed_once_the_key_is_there(
    money: MoneyDesk, wechat: WechatV3
) -> None:
    order_id, sent = await letter(money, wechat.by(key=rsa_key("the next"), serial="PUB_KEY_ID_2"))
    incoming = Incoming("v3", "payment", sent.body, sent.headers, FACTS)
    await money.till.notify.payment_v3(money.till.caller.tenant.route_key, incoming)
    (row,) = await money.till.journal()
    await money.sign_in(Role.PROVIDER_OPERATOR)
    url = f"/console/notifies/{row.id}"
    page = await money.visitor.get(url)
    assert "没有它所用的微信支付公钥或平台证书" in page.text
    assert "PUB_KEY_ID_2" in page.text
    refused = await money.visitor.post(f"{url}/replay", page.text)
    assert "不能重新处理" in refused.text
    await put_public_key(money, money.till.scope.provider_id, "PUB_KEY_ID_2", "the next")
    preview = await money.visitor.post(f"{url}/replay", page.text)
    assert "重新处理会把订单改为支付成功" in preview.text
    done = await money.visitor.post(f"{url}/replay/apply", page.text, reason="补录公钥")
    assert done.status_code == 303
    assert (await money.till.order(order_id)).status is OrderStatus.PAID


async def inspected(money: MoneyDesk, text: str) -> str:
    form = await money.visitor.get(PAGE)
    answer = await money.visitor.post(PAGE, form.text, text=text)
    assert answer.status_code == 200, answer.text
    whole = answer.text
    return whole[: whole.index("<textarea")] + whole[whole.index("</textarea>") :]


async def test_B1_a_pasted_callback_is_explained_without_a_secret(money: MoneyDesk, wechat: WechatV3) -> None:
    _, sent = await letter(money, wechat)
    await money.sign_in(Role.PROVIDER_OPERATOR)
    pretty = json.dumps(json.loads(sent.body), indent=2, ensure_ascii=False).encode()
    pages = {
        "签名正确。": await inspected(money, as_text(sent)),
        "body_reserialised": await inspected(money, as_text(sent, pretty)),
        "serial_is_ours · Wechatpay-Serial": await inspected(money, as_text(sent.changed(serial="5157F09E"))),
        "header_missing · Wechatpay-Nonce": await inspected(money, as_text(sent.changed(nonce=None))),
        "v3_key_wrong": await inspected(money, as_text(await letter_of(money, wechat.by(secret="Z" * 32)))),
    }
    for expected, page in pages.items():
        assert expected in page, expected
        assert not _LONG.search(page), expected
        assert V3_KEY not in page
        assert sent.headers["wechatpay-nonce"] not in page
    assert wechat.serial in pages["签名正确。"]
    assert len(await money.audited("signature.inspected")) == len(pages)


async def letter_of(money: MoneyDesk, wechat: WechatV3) -> Sent:
    return wechat.sent({"out_trade_no": "T1"}, money.clock.now())


async def test_a_key_of_another_provider_reads_like_one_that_nobody_has(
    money: MoneyDesk, wechat: WechatV3
) -> None:
    (other,) = await add_provider(money.till, number=2)
    await put_public_key(money, other.provider.id, "PUB_KEY_ID_7", "the neighbour's")
    await money.sign_in()
    sent = await letter_of(money, wechat.by(key=rsa_key("the neighbour's"), serial="PUB_KEY_ID_7"))
    theirs = await inspected(money, as_text(sent))
    nobodys = await inspected(money, as_text(sent.changed(serial="PUB_KEY_ID_8")))
    assert "unknown_public_key · Wechatpay-Serial" in theirs
    assert theirs.replace("PUB_KEY_ID_7", "") == nobodys.replace("PUB_KEY_ID_8", "")


async def test_T01_a_tenant_of_nobody_is_no_tenant(money: MoneyDesk, wechat: WechatV3) -> None:
    await money.sign_in()
    form = await money.visitor.get(PAGE)
    text = as_text(await letter_of(money, wechat))
    for tenant, status in ((money.till.scope.tenant_id, 200), ("ten_01JD3K8W7Q4M6X0B2T9V5H1CZN", 404)):
        answer = await money.visitor.post(PAGE, form.text, text=text, tenant=tenant)
        assert answer.status_code == status
