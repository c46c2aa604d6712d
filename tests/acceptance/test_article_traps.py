"""The mistakes of the two articles, none of which may come back (acceptance 5.6, one test a row).

What they get wrong is proved on the running application: signatures by an independent implementation
(wechatpy), the phone by the strict simulator.
"""

from __future__ import annotations

import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.acceptance.conftest import CALLER, Shop
from tests.support.loopback import Loopback, http
from tests.support.simulated import APPID, COFFEE, COFFEE_APP, KEY, MCH_ID, PAYER, SECRET, signature, xml
from tests.support.v2_counterpart import Counterpart

ROOT = Path(__file__).resolve().parents[2]
UNIFIEDORDER = "/pay/unifiedorder"
FIVE = {"timeStamp", "nonceStr", "package", "signType", "paySign"}


def signed_by_us(params: dict[str, str], **named: str) -> bool:
    """Whether paySign is that of the parameters under the given names, checked by wechatpy."""
    signed = {name: value for name, value in params.items() if name != "paySign"} | named
    return signature(signed, KEY, params["signType"]) == params["paySign"]


def notification(order: Any, *, key: str = KEY, **changes: str) -> bytes:
    """What WeChat posts once an order is paid, signed by wechatpy."""
    fields = {
        "return_code": "SUCCESS",
        "result_code": "SUCCESS",
        "appid": APPID,
        "mch_id": MCH_ID,
        "sub_mch_id": COFFEE,
        "sub_appid": COFFEE_APP,
        "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
        "openid": "oSpUser_00000000000000000001",
        "sub_openid": PAYER,
        "trade_type": "JSAPI",
        "bank_type": "CMB_DEBIT",
        "total_fee": str(order["amount"]),
        "cash_fee": str(order["amount"]),
        "fee_type": "CNY",
        "transaction_id": "4200002626202611211234567890",
        "out_trade_no": order["out_trade_no"],
        "attach": order["id"],
        "time_end": "20261121205107",
    }
    fields |= changes
    return xml(fields | {"sign": signature(fields, key, "HMAC-SHA256")})


# --- seed 2, step 5: signing again for the phone ----------------------------------------------------------


async def test_the_second_signature_is_over_appId_and_nonceStr(shop: Shop) -> None:
    params = (await shop.order())["pay_params"]
    assert signed_by_us(params, appId=COFFEE_APP)

    as_the_article = dict(params)
    nonce = as_the_article.pop("nonceStr")
    assert not signed_by_us(as_the_article, appid=COFFEE_APP, nonce_str=nonce)


async def test_timeStamp_is_seconds_as_a_string(shop: Shop) -> None:
    stamp = (await shop.order())["pay_params"]["timeStamp"]
    assert isinstance(stamp, str)
    assert re.fullmatch(r"[0-9]{10}", stamp)
    assert abs(time.time() - int(stamp)) < 60


async def test_package_names_the_prepay_id_that_wechat_gave(shop: Shop) -> None:
    order = await shop.order()
    (prepay_id,) = (await shop.books(order))["prepay_ids"]
    assert order["pay_params"]["package"] == f"prepay_id={prepay_id}"


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param({"result_code": "FAIL", "err_code": "NOAUTH"}, id="result_code FAIL"),
        pytest.param({"return_code": "FAIL"}, id="return_code FAIL"),
        pytest.param({"return_code": "FAIL", "result_code": "FAIL"}, id="both FAIL"),
        pytest.param({"return_code": None}, id="no return_code"),
        pytest.param({"result_code": None}, id="no result_code"),
        pytest.param({"return_code": "success"}, id="another spelling"),
    ],
)
async def test_only_an_answer_with_both_codes_SUCCESS_is_a_success(
    shop_on_wire: Shop, counterpart: Counterpart, codes: dict[str, str | None]
) -> None:
    """Each of these answers is signed and carries a prepay_id; there must be nothing to pay with."""
    counterpart.overrides = codes
    refused = await shop_on_wire.try_order("T1")
    assert "prepay_id=" not in refused.text
    assert "paySign" not in refused.text

    counterpart.overrides = {}
    assert (await shop_on_wire.order("T2"))["pay_params"]["package"].startswith("prepay_id=")


async def test_the_client_gets_nonceStr_and_signType_and_nothing_in_snake_case(shop: Shop) -> None:
    order = await shop.order()
    params = order["pay_params"]
    assert set(params) == FIVE
    assert all(isinstance(value, str) and value for value in params.values())
    assert params["signType"] == "HMAC-SHA256" == (await shop.books(order))["sign_type"]


async def test_the_phone_opens_the_cashier_with_exactly_what_we_answered(shop: Shop) -> None:
    """The simulator's phone refuses every mistake of this step (wechatpay-v2 3.1)."""
    order = await shop.order()
    (prepay_id,) = (await shop.books(order))["prepay_ids"]
    paid = await shop.control(
        "pay", prepay_id=prepay_id, appid=COFFEE_APP, openid=PAYER, pay_params=order["pay_params"]
    )
    assert paid["trade_state"] == "SUCCESS"


@pytest.mark.parametrize("answer", [b"", b"<xml></xml>", b"null", b"<html>502</html>"])
async def test_an_answer_that_is_none_is_a_stated_outcome_and_no_crash(
    shop_on_wire: Shop, counterpart: Counterpart, answer: bytes
) -> None:
    counterpart.raw = http(answer)
    unknown = await shop_on_wire.try_order()
    assert unknown.status_code == 202
    assert unknown.json()["status"] == "submitting"
    assert "pay_params" not in unknown.json()


async def test_a_refusal_is_a_typed_error_with_wechats_own_code(shop: Shop) -> None:
    await shop.control("faults", path=UNIFIEDORDER, kind="error_without_effect", err_code="NOAUTH")
    problem = await shop.try_order()
    assert problem.headers["content-type"].startswith("application/problem+json")
    assert problem.json()["code"] == "wechat_rejected"
    assert "NOAUTH" in problem.text


# --- seed 2, steps 3 and 4: the request and its answer ---------------------------------------------------


async def test_nonces_are_32_letters_and_digits_that_no_seed_can_repeat(
    shop_on_wire: Shop, counterpart: Counterpart
) -> None:
    given = []
    for number in range(12):
        random.seed(20170330)
        given.append((await shop_on_wire.order(f"T{number}"))["pay_params"]["nonceStr"])
    nonces = [sent["nonce_str"] for sent in counterpart.requests] + given
    assert len(set(nonces)) == len(nonces) == 24
    assert all(re.fullmatch(r"[0-9A-Za-z]{32}", nonce) for nonce in nonces)
    for kind in (r"[0-9]", r"[a-z]", r"[A-Z]"):
        assert re.search(kind, "".join(nonces)), kind


async def test_the_order_number_is_made_anew_and_the_address_is_the_callers(
    shop_on_wire: Shop, counterpart: Counterpart
) -> None:
    orders = [await shop_on_wire.order(number) for number in ("20150806125346", "20150806125347")]
    numbers = [sent["out_trade_no"] for sent in counterpart.requests]
    assert numbers == [order["out_trade_no"] for order in orders]
    assert len({*numbers, "20150806125346", "20150806125347"}) == 4
    assert {sent["spbill_create_ip"] for sent in counterpart.requests} == {CALLER}


@pytest.mark.parametrize("fault", ["wrong_answer_signature", "missing_answer_signature"])
async def test_an_answer_without_wechats_signature_is_not_believed(shop: Shop, fault: str) -> None:
    await shop.control("faults", path=UNIFIEDORDER, kind=fault)
    answer = await shop.try_order()
    assert answer.status_code == 202
    assert answer.json()["status"] == "submitting"
    assert "prepay_id=" not in answer.text


# --- seed 2, step 7: the notification -------------------------------------------------------------------


async def test_S2_16_a_notification_is_verified(shop: Shop) -> None:
    order = await shop.order()
    forged = await shop.notify(notification(order, key=KEY[::-1]))
    assert "SUCCESS" not in forged.text
    assert await shop.status(order) == "pending"

    assert "SUCCESS" in (await shop.notify(notification(order))).text
    assert await shop.status(order) == "paid"


async def test_S2_16_a_notification_of_another_amount_does_not_pay(shop: Shop) -> None:
    order = await shop.order()
    await shop.notify(notification(order, total_fee="1", cash_fee="1"))
    read = (await shop.ask("GET", f"/v1/orders/{order['id']}")).json()
    assert (read["status"], read["anomaly"]) == ("pending", "amount_mismatch")


async def test_S2_16_a_repeated_notification_counts_once(shop: Shop) -> None:
    order = await shop.order()
    answers = [await shop.notify(notification(order)) for _ in range(5)]
    assert all("SUCCESS" in answer.text for answer in answers)
    events = (await shop.ask("GET", "/v1/events?limit=100")).json()["data"]
    assert [event["type"] for event in events] == ["payment.succeeded"]


# --- seed 2, step 3: who pays ---------------------------------------------------------------------------


async def test_O14_two_users_in_turn_each_pay_as_themselves(shop: Shop) -> None:
    """With one cache key for all, the second login would make the first user's order the second's."""
    anna, bert = "oAnna_0000000000000000000001", "oBert_0000000000000000000001"
    orders = f"/v1/mini/{shop.tenant_id}/orders"
    latte = {"price_code": "latte", "quantity": 1}
    tokens = {openid: await shop.log_in(openid) for openid in (anna, bert)}
    made = {
        openid: (await shop.ask("POST", orders, latte, token=tokens[openid])).json()
        for openid in (anna, bert, anna)
    }
    for openid, stranger in ((anna, bert), (bert, anna)):
        order = made[openid]
        assert (await shop.books(order))["payer"] == openid
        mine = await shop.ask("POST", f"{orders}/{order['id']}/pay", {}, token=tokens[openid])
        assert mine.json()["pay_params"]["paySign"]
        theirs = await shop.ask("POST", f"{orders}/{order['id']}/pay", {}, token=tokens[stranger])
        assert theirs.status_code == 404


# --- seed 1 ---------------------------------------------------------------------------------------------


async def test_paySign_is_made_on_the_server_and_the_key_is_in_no_answer_and_no_log(shop: Shop) -> None:
    with capture_logs() as logged:
        token = await shop.log_in(PAYER)
        order = await shop.order()
        await shop.ask("GET", f"/v1/mini/{shop.tenant_id}/session", token=token)
        await shop.notify(notification(order))
        for path in (f"/v1/orders/{order['id']}", f"/v1/orders/{order['id']}/timeline", "/v1/events"):
            await shop.ask("GET", path)
        await shop.try_order("T2", amount="1280")
        await shop.ask("GET", "/v1/orders", token=KEY)
    assert logged
    assert order["pay_params"]["paySign"] in "".join(shop.answers)
    for secret in (KEY, SECRET, "session_key"):
        assert secret not in "".join(shop.answers)
        assert secret not in str(logged)


def test_nothing_that_runs_in_a_browser_can_sign() -> None:
    """Our own scripts, those in our pages, and what of the kit runs on the phone (not its server folder)."""
    scripts = {path.name: path.read_text("utf-8") for path in (ROOT / "platform/spapp/static").glob("*.js")}
    kit = ROOT / "templates/kit_files"
    for path in [*kit.glob("*.js"), *(kit / "example").rglob("*.js")]:
        scripts[str(path.relative_to(kit))] = path.read_text("utf-8")
    assert {"console.js", "pay.js", "example/app.js"} <= set(scripts)
    for path in (ROOT / "templates").rglob("*.html"):
        scripts[str(path)] = "\n".join(
            re.findall(r"<script\b.*?</script>", path.read_text("utf-8"), re.DOTALL)
        )
    for name, text in scripts.items():
        assert not re.search(r"paySign|md5|hmac|api_v2_key\s*[:=]", text, re.IGNORECASE), name


async def test_the_key_signs_and_encrypts_nothing(
    shop_on_wire: Shop, counterpart: Counterpart, wire: Loopback
) -> None:
    """What we send is readable as it is; only `sign` depends on the key, which itself is not sent."""
    await shop_on_wire.order()
    (sent,) = counterpart.requests
    assert (sent["total_fee"], sent["body"]) == ("1280", "拿铁")
    assert sent["sign"] == signature(sent, KEY, sent["sign_type"])
    assert KEY.encode() not in b"".join(request.body for request in wire.received)


def test_the_misspelt_names_are_nowhere_in_what_we_ship() -> None:
    shipped = [
        path
        for root in ("platform", "tenants", "templates", "docs")
        for path in (ROOT / root).rglob("*")
        if path.suffix in {".py", ".toml", ".js", ".html", ".j2", ".md", ".json"}
        and "vendor" not in path.parts
    ]
    assert len(shipped) > 100
    for path in shipped:
        assert not re.search(r"per" + r"pay_id|no" + r"ceStr", path.read_text(encoding="utf-8")), path.name


def test_samples_that_people_copy_have_straight_quotes() -> None:
    samples = [
        (path.name, block)
        for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for block in re.findall(r"```\w*\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    ]
    samples += [(path.name, path.read_text("utf-8")) for path in (ROOT / "docs/examples").iterdir()]
    assert len(samples) > 5
    for name, sample in samples:
        assert not re.search("[“”‘’]", sample), name
