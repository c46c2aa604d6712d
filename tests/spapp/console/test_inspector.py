"""The sign inspector's page: for two roles, limited, audited, and never a source of signatures (B-1, C6)."""

from __future__ import annotations

import json
import re

from tests.support.money_desk import MoneyDesk
from tests.support.shop import Shop
from tests.support.till import KEY, MINI
from tests.support.visitor import Visitor

from spapp.accounts.models import Role
from spapp.inspector import PER_MINUTE
from wechatpay.credentials import SignType, V2Key
from wechatpay.v2 import envelope, signing

PAGE = "/console/inspector"
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
FIELDS = {
    "appid": "wx0000000000000001",
    "mch_id": "1900000101",
    "body": "<script>alert(1)</script>{{7*7}}",
    "total_fee": "12800",
    "sub_openid": OPENID,
    "sign_type": "HMAC-SHA256",
}


def signed(fields: dict[str, str]) -> dict[str, str]:
    return fields | {"sign": signing.sign(fields, V2Key(1, KEY), SignType.HMAC_SHA256)}


async def asked(money: MoneyDesk, text: str, **more: str) -> str:
    form = await money.visitor.get(PAGE)
    answer = await money.visitor.post(PAGE, form.text, text=text, **more)
    assert answer.status_code == 200, answer.status_code
    return answer.text


async def test_B1_a_pasted_request_is_explained_without_a_script(money: MoneyDesk) -> None:
    await money.sign_in(Role.PROVIDER_OPERATOR)
    right = signed(FIELDS)
    sent = envelope.build(right | {"total_fee": "128.00"}).decode()

    page = await asked(money, sent)

    assert "amount_unit · total_fee" in page
    assert "签名和报文都用以分为单位的整数。" in page
    assert "&amp;key=••••" in page
    assert "签名正确。" in await asked(money, envelope.build(right).decode())


async def test_C6_no_answer_holds_a_signature_a_key_or_an_openid(money: MoneyDesk) -> None:
    await money.sign_in()
    right = signed(FIELDS)
    texts = [
        envelope.build(right | {"total_fee": "128.00"}).decode(),
        envelope.build(right | {"sign": "A" * 64}).decode(),
        envelope.build(right).decode(),
        json.dumps({"package": "prepay_id=1", "timeStamp": "1795242728", "paySign": "B" * 64}),
    ]
    for text in texts:
        page = (await asked(money, text)).replace(text, "")
        answer = page[: page.index("<textarea")] + page[page.index("</textarea>") :]
        own = set(re.findall(r"\b[0-9A-Fa-f]{31,}\b", answer))
        assert own == set(), own
        assert KEY not in answer
        assert OPENID not in answer
        assert "<script>alert" not in page


async def test_C6_an_object_without_a_signature_is_refused(money: MoneyDesk) -> None:
    await money.sign_in()
    form = await money.visitor.get(PAGE)
    for text in (json.dumps({"package": "prepay_id=1", "timeStamp": "1"}), "", "hello", "x" * 20_000):
        answer = await money.visitor.post(PAGE, form.text, text=text)
        assert answer.status_code == 422
        assert 'aria-invalid="true"' in answer.text
    assert await money.audited("signature.inspected") == []


async def test_the_sub_merchant_that_is_meant_can_be_named(money: MoneyDesk) -> None:
    await money.sign_in()
    params = {"package": "prepay_id=1", "timeStamp": "1795242728", "nonceStr": "n", "signType": "MD5"}
    sign = signing.sign(params | {"appId": MINI}, V2Key(1, KEY), SignType.MD5)
    text = json.dumps(params | {"paySign": sign})
    page = await asked(money, text, tenant=money.till.scope.tenant_id)
    assert "签名正确。" in page
    assert MINI in page
    foreign = await money.visitor.post(PAGE, page, text=text, tenant="ten_01JD3K8W7Q4M6X0B2T9V5H1CZN")
    assert foreign.status_code == 404


async def test_every_inspection_is_audited_without_its_text(money: MoneyDesk) -> None:
    await money.sign_in(Role.PROVIDER_OPERATOR)
    await asked(money, envelope.build(signed(FIELDS)).decode())
    assert await money.audited("signature.inspected") == [("signature.inspected", "赵运", None)]


async def test_a_person_is_limited(money: MoneyDesk) -> None:
    await money.sign_in()
    form = await money.visitor.get(PAGE)
    answers = [await money.visitor.post(PAGE, form.text, text="sign=1") for _ in range(PER_MINUTE + 1)]
    assert "请求过于频繁" not in answers[-2].text
    assert "请求过于频繁" in answers[-1].text
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_only_owner_and_operator_see_it(visitor: Visitor, shop: Shop) -> None:
    for role in Role:
        await visitor.sign_in(shop.people[role])
        answer = await visitor.get(PAGE)
        allowed = role in (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR)
        assert answer.status_code == (200 if allowed else 403), role
        if not role.startswith("provider_"):
            continue
        assert (f'href="{PAGE}"' in (await visitor.get("/console/orders")).text) == allowed, role
