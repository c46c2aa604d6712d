"""Payment codes: charging, asking whose they are, and reversing (wechatpay-v2 4.1 to 4.3, 11.2)."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.support.simulated import (
    BAKERY,
    BAKERY_APP,
    COFFEE_APP,
    KEY,
    MERCHANT,
    MERCHANT_APP,
    OTHER_KEY,
    PAYER,
    Desk,
    asking,
    order,
    signature,
    xml,
)
from tests.support.simulated_money import MICROPAY, OPENID, REFUND, REVERSE, declined, refunding, scanning

QUERY = "/pay/orderquery"


async def code(desk: Desk, behaviour: str = "pay", openid: str = PAYER, **more: str) -> str:
    shown = await desk.control("auth_codes", openid=openid, behaviour=behaviour, **more)
    return str(shown["auth_code"])


async def charged(desk: Desk, number: str = "S000001", **changes: str) -> dict[str, str]:
    answer = await desk.call(MICROPAY, scanning(await code(desk), number, **changes))
    assert (answer["return_code"], answer.get("result_code")) == ("SUCCESS", "SUCCESS"), answer
    return answer


async def state(desk: Desk, number: str = "S000001") -> str:
    return (await desk.call(QUERY, asking(number)))["trade_state"]


async def later(desk: Desk, seconds: float) -> None:
    await desk.control("clock", advance_s=seconds)


async def test_a_payment_code_is_charged_in_the_answer_and_never_notified(desk: Desk) -> None:
    answer = await charged(desk)
    expected = {
        "trade_type": "MICROPAY",
        "total_fee": "1280",
        "out_trade_no": "S000001",
        "sub_openid": PAYER,
        "attach": "t=7&p=01",
        "bank_type": "OTHERS",
    }
    assert {name: answer[name] for name in expected} == expected
    queried = await desk.call(QUERY, asking("S000001"))
    assert (queried["trade_state"], queried["transaction_id"]) == ("SUCCESS", answer["transaction_id"])
    books = await desk.ledger()
    assert [entry["transaction_id"] for entry in books["payments"]] == [answer["transaction_id"]]
    assert books["notifications"] == []
    assert books["orders"][0]["notify_url"] is None


async def test_a_code_is_eighteen_digits_and_never_in_the_books(desk: Desk) -> None:
    shown = await code(desk)
    assert re.fullmatch(r"1[0-5][0-9]{16}", shown)
    await desk.call(MICROPAY, scanning(shown))
    for path in ("/_sim/ledger", "/_sim/", "/_sim/faults"):
        assert shown not in (await desk.http.get(path)).text


@pytest.mark.parametrize(
    ("behaviour", "err_code"),
    [("expired", "AUTHCODEEXPIRE"), ("used", "AUTH_CODE_ERROR"), ("invalid", "AUTH_CODE_INVALID")],
)
async def test_a_code_that_cannot_be_charged_leaves_no_order(
    desk: Desk, behaviour: str, err_code: str
) -> None:
    assert await declined(desk, MICROPAY, scanning(await code(desk, behaviour))) == err_code
    assert (await desk.ledger())["orders"] == []
    await charged(desk)


@pytest.mark.parametrize("text", ["16" + "0" * 16, "1" * 17, "wx" + "1" * 16, "１" * 18])
async def test_what_is_no_payment_code_is_told_so(refusing: Desk, text: str) -> None:
    assert await declined(refusing, MICROPAY, scanning(text)) == "AUTH_CODE_INVALID"


async def test_a_code_that_nobody_ordered_is_a_strangers_and_is_charged_once(desk: Desk) -> None:
    stranger = "134567890123456789"
    first = await desk.call(MICROPAY, scanning(stranger, "S000001"))
    assert first["result_code"] == "SUCCESS"
    assert first["openid"]
    assert await declined(desk, MICROPAY, scanning(stranger, "S000002")) == "AUTH_CODE_ERROR"


async def test_a_code_lives_a_minute_and_is_charged_once(desk: Desk) -> None:
    old = await code(desk)
    used = await code(desk)
    await desk.call(MICROPAY, scanning(used, "S000001"))
    assert await declined(desk, MICROPAY, scanning(used, "S000002")) == "AUTH_CODE_ERROR"
    await later(desk, 60)
    assert await declined(desk, MICROPAY, scanning(old, "S000003")) == "AUTHCODEEXPIRE"


@pytest.mark.parametrize(
    ("behaviour", "err_code"),
    [("notenough", "NOTENOUGH"), ("notsuportcard", "NOTSUPORTCARD"), ("trade_error", "TRADE_ERROR")],
)
async def test_a_payer_who_cannot_pay_may_try_again_with_a_fresh_code(
    desk: Desk, behaviour: str, err_code: str
) -> None:
    assert await declined(desk, MICROPAY, scanning(await code(desk, behaviour))) == err_code
    assert await state(desk) == "PAYERROR"
    stranger = await code(desk, openid="oSomebodyElse")
    assert await declined(desk, MICROPAY, scanning(stranger)) == "BUYER_MISMATCH"
    await charged(desk)
    assert await state(desk) == "SUCCESS"


@pytest.mark.parametrize(
    ("behaviour", "err_code"), [("userpaying", "USERPAYING"), ("bankerror", "BANKERROR")]
)
async def test_an_unknown_outcome_is_decided_by_the_payer(desk: Desk, behaviour: str, err_code: str) -> None:
    assert await declined(desk, MICROPAY, scanning(await code(desk, behaviour))) == err_code
    assert await state(desk) == "USERPAYING"
    assert await declined(desk, MICROPAY, scanning(await code(desk))) == "USERPAYING"
    paid = await desk.control("pay", out_trade_no="S000001", outcome="success")
    assert paid["trade_state"] == "SUCCESS"
    queried = await desk.call(QUERY, asking("S000001"))
    assert queried["transaction_id"] == paid["transaction_id"]
    assert await desk.refused("pay", out_trade_no="S000001") == (409, "SUCCESS")
    assert len((await desk.ledger())["payments"]) == 1


@pytest.mark.parametrize("outcome", ["cancel", "fail"])
async def test_a_payer_may_give_up(desk: Desk, outcome: str) -> None:
    await desk.call(MICROPAY, scanning(await code(desk, "userpaying")))
    answer = await desk.control("pay", out_trade_no="S000001", outcome=outcome)
    assert answer["trade_state"] == "PAYERROR"
    assert await state(desk) == "PAYERROR"


async def test_a_password_not_typed_in_45_seconds_is_not_paid(desk: Desk) -> None:
    await desk.call(MICROPAY, scanning(await code(desk, "userpaying")))
    await later(desk, 44)
    assert await state(desk) == "USERPAYING"
    await later(desk, 1)
    assert await state(desk) == "PAYERROR"
    assert await desk.refused("pay", out_trade_no="S000001") == (409, "PAYERROR")


async def test_above_a_thousand_yuan_the_password_is_asked_for(desk: Desk) -> None:
    assert await declined(desk, MICROPAY, scanning(await code(desk), total_fee="100001")) == "USERPAYING"
    await desk.control("pay", out_trade_no="S000001")
    await charged(desk, "S000002", total_fee="100000")


async def test_a_settled_number_is_not_charged_again(desk: Desk, secure: Desk) -> None:
    await charged(desk)
    assert await declined(desk, MICROPAY, scanning(await code(desk))) == "ORDERPAID"
    await later(desk, 15)
    await secure.call(REVERSE, asking("S000001"))
    assert await declined(desk, MICROPAY, scanning(await code(desk))) == "ORDERREVERSED"


async def test_a_number_stays_with_its_parameters_and_its_way_to_pay(desk: Desk) -> None:
    await desk.create(order("T000001"))
    assert await declined(desk, MICROPAY, scanning(await code(desk), "T000001")) == "OUT_TRADE_NO_USED"
    await desk.call(MICROPAY, scanning(await code(desk, "notenough")))
    other = scanning(await code(desk), total_fee="1")
    assert await declined(desk, MICROPAY, other) == "INVALID_REQUEST"
    assert await declined(desk, "/pay/unifiedorder", order("S000001")) == "INVALID_REQUEST"
    bakery = {"sub_mch_id": BAKERY, "sub_appid": BAKERY_APP}
    assert await declined(desk, MICROPAY, scanning(await code(desk), **bakery)) == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"out_trade_no": "short"}, "out_trade_no"),
        ({"total_fee": "0"}, "total_fee"),
        ({"fee_type": "USD"}, "fee_type"),
        ({"spbill_create_ip": "till"}, "spbill_create_ip"),
        ({"scene_info": "[]"}, "scene_info"),
        ({"deposit": "1"}, "deposit"),
    ],
)
async def test_a_bad_value_is_a_param_error(refusing: Desk, changes: dict[str, str], field: str) -> None:
    answer = await refusing.call(MICROPAY, scanning("1" * 18, **changes))
    assert answer["err_code"] == "PARAM_ERROR"
    assert field in answer["err_code_des"]


@pytest.mark.parametrize("name", ["notify_url", "trade_type", "openid"])
async def test_fields_of_other_ways_to_pay_are_refused(refusing: Desk, name: str) -> None:
    answer = await refusing.call(MICROPAY, scanning("1" * 18, **{name: "x"}))
    assert answer["return_msg"] == f"参数错误：未知的参数{name}"


@pytest.mark.parametrize(
    ("kind", "err_code", "paid"),
    [("error_with_effect", "SYSTEMERROR", 1), ("error_without_effect", "SYSTEMERROR", 0)],
)
async def test_G03_G04_a_charge_with_an_unknown_outcome(
    desk: Desk, kind: str, err_code: str, paid: int
) -> None:
    await desk.fault(MICROPAY, kind)
    assert await declined(desk, MICROPAY, scanning(await code(desk))) == err_code
    assert len((await desk.ledger())["payments"]) == paid


# --- whose code it is --------------------------------------------------------------------------------


def whose(text: str, **changes: str) -> dict[str, str]:
    return asking("", auth_code=text, **changes)


async def test_a_code_tells_its_payer_and_is_kept_for_the_merchant_who_asked(desk: Desk) -> None:
    shown = await code(desk, appid=COFFEE_APP)
    answer = await desk.call(OPENID, whose(shown, sub_appid=COFFEE_APP))
    assert answer["sub_openid"] == PAYER
    assert re.fullmatch(r"o[0-9a-f]{27}", answer["openid"])
    bakery = {"sub_mch_id": BAKERY, "sub_appid": BAKERY_APP}
    assert await declined(desk, MICROPAY, scanning(shown, "S000009", **bakery)) == "AUTH_CODE_ERROR"
    paid = await desk.call(MICROPAY, scanning(shown))
    assert (paid["sub_openid"], paid["openid"]) == (PAYER, answer["openid"])
    assert await declined(desk, OPENID, whose(shown, sub_appid=COFFEE_APP)) == "AUTH_CODE_ERROR"


async def test_one_bound_appid_need_not_be_named_but_one_of_several_must(desk: Desk) -> None:
    shown = await code(desk)
    assert await declined(desk, OPENID, whose(shown)) == "PARAM_ERROR"
    assert "sub_openid" in await desk.call(OPENID, whose(shown, sub_mch_id=BAKERY))
    own = {"appid": MERCHANT_APP, "mch_id": MERCHANT, "sub_mch_id": ""}
    answer = await desk.call(OPENID, whose(await code(desk), **own), OTHER_KEY)
    assert (answer["openid"], "sub_openid" in answer) == (PAYER, False)


async def test_whose_code_it_is_is_asked_with_md5_alone(desk: Desk) -> None:
    params = whose(await code(desk), sub_appid=COFFEE_APP)
    named = await desk.call(OPENID, params | {"sign_type": "MD5"})
    assert named["return_msg"] == "参数错误：未知的参数sign_type"
    hmac = xml(params | {"sign": signature(params, KEY, "HMAC-SHA256")})
    assert (await desk.raw(OPENID, hmac))["return_msg"] == "签名错误"


# --- undoing it --------------------------------------------------------------------------------------


async def test_a_paid_order_is_reversed_and_its_money_goes_back(secure: Desk) -> None:
    paid = await charged(secure)
    assert await declined(secure, REVERSE, asking("S000001")) == "TRADE_ERROR"
    await later(secure, 15)
    answer = await secure.call(REVERSE, asking("", transaction_id=paid["transaction_id"]))
    assert (answer["result_code"], answer["recall"]) == ("SUCCESS", "N")
    queried = await secure.call(QUERY, asking("S000001"))
    assert (queried["trade_state"], "transaction_id" in queried) == ("REVOKED", False)
    (entry,) = (await secure.ledger())["reversals"]
    assert (entry["amount"], entry["transaction_id"]) == (1280, paid["transaction_id"])
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "N"
    assert len((await secure.ledger())["reversals"]) == 1
    assert await declined(secure, REFUND, refunding(number="S000001")) == "INVALID_REQUEST"


@pytest.mark.parametrize("behaviour", ["userpaying", "notenough"])
async def test_an_unpaid_order_is_closed_for_ever_by_a_reversal(secure: Desk, behaviour: str) -> None:
    await secure.call(MICROPAY, scanning(await code(secure, behaviour)))
    assert await declined(secure, REVERSE, asking("S000001")) == "TRADE_ERROR"
    await later(secure, 15)
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "N"
    assert await state(secure) == "REVOKED"
    assert await secure.refused("pay", out_trade_no="S000001") == (409, "REVOKED")
    (entry,) = (await secure.ledger())["reversals"]
    assert (entry["amount"], entry["transaction_id"]) == (0, None)


async def test_a_payer_who_pays_late_cannot_be_reversed_at_once(secure: Desk) -> None:
    await secure.call(MICROPAY, scanning(await code(secure, "userpaying")))
    await later(secure, 40)
    await secure.control("pay", out_trade_no="S000001")
    assert await declined(secure, REVERSE, asking("S000001")) == "TRADE_ERROR"
    await later(secure, 15)
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "N"


@pytest.mark.parametrize(("with_effect", "before"), [(False, "SUCCESS"), (True, "REVOKED")])
async def test_a_reversal_may_have_to_be_called_again(secure: Desk, with_effect: bool, before: str) -> None:
    await charged(secure)
    await later(secure, 15)
    await secure.fault(REVERSE, "recall", with_effect=with_effect)
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "Y"
    assert await state(secure) == before
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "N"
    assert await state(secure) == "REVOKED"


async def test_what_cannot_be_reversed(secure: Desk) -> None:
    assert await declined(secure, REVERSE, asking("S000001")) == "ORDERNOTEXIST"
    unknown = asking("", transaction_id="42")
    assert await declined(secure, REVERSE, unknown) == "INVALID_TRANSACTIONID"
    await secure.create(order("T000001"))
    assert await declined(secure, REVERSE, asking("T000001")) == "INVALID_REQUEST"
    await charged(secure, "S000001")
    await charged(secure, "S000002")
    refund = await secure.call(REFUND, refunding(number="S000001", amount=1))
    assert refund["result_code"] == "SUCCESS"
    await later(secure, 15)
    assert await declined(secure, REVERSE, asking("S000001")) == "INVALID_REQUEST"
    answer = await secure.call(REVERSE, asking("S000002", sub_mch_id=BAKERY))
    assert answer["return_msg"] == "子商户号和订单信息不匹配"
    await later(secure, 7 * 86400 - 15)
    assert await declined(secure, REVERSE, asking("S000002")) == "REVERSE_EXPIRE"


async def test_a_payment_code_order_is_reversed_and_not_closed(secure: Desk) -> None:
    await secure.call(MICROPAY, scanning(await code(secure, "userpaying")))
    answer = await secure.call("/pay/closeorder", asking("S000001"))
    assert answer["err_code"] == "INVALID_REQUEST"
    assert "撤销" in answer["err_code_des"]


async def test_F09_a_reversal_needs_the_certificate(desk: Desk) -> None:
    await charged(desk)
    await later(desk, 15)
    params = asking("S000001")
    response = await desk.http.post(REVERSE, content=xml(params | {"sign": signature(params)}))
    assert response.status_code == 400
    assert await state(desk) == "SUCCESS"


@pytest.mark.parametrize("path", [MICROPAY, REVERSE, OPENID])
async def test_every_new_path_can_be_cut(secure: Desk, path: str) -> None:
    await secure.fault(path, "drop_before_effect")
    with pytest.raises(httpx.TransportError):
        await secure.http.post(path)
