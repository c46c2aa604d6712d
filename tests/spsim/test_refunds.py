"""Refunds and asking for them (wechatpay-v2 4.6, 4.7, 11.3; catalogue F, G)."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from tests.support.simulated import (
    BAKERY,
    COFFEE,
    KEY,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    OTHER_KEY,
    Desk,
    asking,
    merchant_order,
    order,
    signature,
    xml,
)
from tests.support.simulated_money import (
    REFUND,
    REFUNDQUERY,
    Certificate,
    about,
    accepted,
    declined,
    hold,
    paid,
    refunding,
    status_of,
    tls_desk_at,
)

YEAR_S = 365 * 24 * 3600


async def test_a_refund_is_accepted_completely_and_succeeds_by_itself(secure: Desk) -> None:
    transaction_id = await paid(secure)
    answer = await accepted(secure, refunding(amount=500, refund_desc="不想要了"))
    assert re.fullmatch(r"5030[0-9]{25}", answer["refund_id"])
    expected = {
        "mch_id": MCH_ID,
        "sub_mch_id": COFFEE,
        "transaction_id": transaction_id,
        "out_trade_no": "T000001",
        "out_refund_no": "R000001",
        "refund_fee": "500",
        "settlement_refund_fee": "500",
        "cash_refund_fee": "500",
        "total_fee": "1280",
        "cash_fee": "1280",
        "fee_type": "CNY",
    }
    assert {name: answer[name] for name in expected} == expected
    assert await status_of(secure) == "PROCESSING"
    await secure.control("clock", advance_s=0.2)
    told = await secure.call(REFUNDQUERY, about(out_refund_no="R000001"))
    assert (told["refund_count"], told["refund_fee_0"], told["refund_status_0"]) == ("1", "500", "SUCCESS")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", told["refund_success_time_0"])
    assert told["refund_recv_accout_0"] == "支付用户零钱"
    assert "total_refund_count" not in told
    (entry,) = (await secure.ledger())["refunds"]
    assert (entry["amount"], entry["status"], entry["source"]) == (500, "SUCCESS", "API")
    assert (entry["refund_id"], entry["transaction_id"]) == (answer["refund_id"], transaction_id)
    assert entry["settled_at"] > entry["requested_at"]


async def test_a_refunded_order_is_in_trade_state_REFUND_and_still_told_completely(secure: Desk) -> None:
    transaction_id = await paid(secure)
    await accepted(secure, refunding(amount=1))
    answer = await secure.call("/pay/orderquery", asking("T000001"))
    assert (answer["trade_state"], answer["trade_state_desc"]) == ("REFUND", "转入退款")
    assert (answer["transaction_id"], answer["total_fee"]) == (transaction_id, "1280")
    assert (await secure.call("/pay/closeorder", asking("T000001")))["err_code"] == "ORDERPAID"
    assert (await secure.call("/pay/unifiedorder", order("T000001")))["err_code"] == "ORDERPAID"
    assert (await secure.ledger())["orders"][0]["trade_state"] == "REFUND"


async def test_F09_no_refund_without_a_certificate(desk: Desk, certificates: dict[str, Certificate]) -> None:
    await paid(desk)
    params = refunding()
    body = xml(params | {"sign": signature(params)})
    async with tls_desk_at(desk.where, None) as bare:
        for http in (desk.http, bare.http):
            response = await http.post(REFUND, content=body)
            assert (response.status_code, response.headers["content-type"]) == (400, "text/html")
            assert "No required SSL certificate was sent" in response.text
    async with tls_desk_at(desk.where, certificates[MERCHANT]) as stranger:
        assert await declined(stranger, REFUND, params) == "CERT_ERROR"
    assert (await desk.ledger())["refunds"] == []
    async with tls_desk_at(desk.where, certificates[MCH_ID]) as own:
        await accepted(own, params)


async def test_K05_a_replaced_certificate_is_valid_beside_the_new_one_until_it_is_revoked(
    desk: Desk, secure: Desk, certificates: dict[str, Certificate]
) -> None:
    await paid(desk)
    new = {"mch_id": MCH_ID, "appid": order()["appid"], "api_v2_key": KEY}
    old = (await desk.http.get("/_sim/v3/keys", params={"mch_id": MCH_ID})).json()["api_certificates"]
    await desk.control("providers", providers=[new | {"client_cert_pem": certificates[MERCHANT].pem}])
    async with tls_desk_at(desk.where, certificates[MERCHANT]) as renewed:
        await accepted(secure, refunding("R000001", amount=100))
        await accepted(renewed, refunding("R000002", amount=100))
        await desk.control("v3/keys", mch_id=MCH_ID, action="revoke_api_certificate", serial=old[0])
        assert await declined(secure, REFUND, refunding("R000003", amount=100)) == "CERT_ERROR"
        await accepted(renewed, refunding("R000003", amount=100))
        await desk.control("providers", providers=[new])
        assert await declined(renewed, REFUND, refunding("R000004", amount=100)) == "CERT_ERROR"
    assert await declined(secure, REFUND, refunding()) == "CERT_ERROR"


async def test_a_plain_merchant_refunds_with_its_own_certificate(
    desk: Desk, certificates: dict[str, Certificate]
) -> None:
    await desk.create(merchant_order("M0000001"), OTHER_KEY)
    await desk.control("pay", out_trade_no="M0000001")
    own = {"appid": MERCHANT_APP, "mch_id": MERCHANT, "sub_mch_id": ""}
    async with tls_desk_at(desk.where, certificates[MERCHANT]) as merchant:
        answer = await merchant.call(REFUND, refunding(number="M0000001", **own), OTHER_KEY)
    assert answer["result_code"] == "SUCCESS"
    assert "sub_mch_id" not in answer


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"refund_fee": "0"}, "refund_fee"),
        ({"refund_fee": "-1"}, "refund_fee"),
        ({"refund_fee": "1.5"}, "refund_fee"),
        ({"refund_fee": "１"}, "refund_fee"),
        ({"refund_fee": "1281"}, "refund_fee"),
        ({"total_fee": "1279"}, "total_fee"),
        ({"total_fee": "1_280"}, "total_fee"),
        ({"out_refund_no": "R 1"}, "out_refund_no"),
        ({"refund_fee_type": "USD"}, "refund_fee_type"),
        ({"refund_account": "MY_POCKET"}, "refund_account"),
        ({"detail": "{"}, "detail"),
        ({"notify_url": "https://pay.example.com/r?x=1"}, "notify_url"),
    ],
)
async def test_F05_a_bad_value_is_a_param_error_naming_the_field(
    secure: Desk, changes: dict[str, str], field: str
) -> None:
    await paid(secure)
    answer = await secure.call(REFUND, refunding(**changes))
    assert answer["err_code"] == "PARAM_ERROR"
    assert field in answer["err_code_des"]
    assert (await secure.ledger())["refunds"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_refund_no": "R" * 65}, "退款单号"),
        ({"out_refund_no": ""}, "缺少参数：out_refund_no"),
        ({"out_trade_no": ""}, "缺少参数：out_trade_no"),
        ({"refund_desc": "很" * 27}, "退款原因"),
        ({"sub_mch_id": BAKERY}, "子商户号和订单信息不匹配"),
        ({"sub_mch_id": ""}, "受理机构必须传入sub_mch_id"),
        ({"money": "1"}, "未知的参数money"),
    ],
)
async def test_F04_what_is_refused_at_the_level_of_communication(
    secure: Desk, changes: dict[str, str], message: str
) -> None:
    await paid(secure)
    answer = await secure.call(REFUND, refunding(**changes))
    assert answer["return_code"] == "FAIL"
    assert message in answer["return_msg"]


async def test_F04_unknown_unpaid_and_closed_orders_are_not_refunded(secure: Desk) -> None:
    assert await declined(secure, REFUND, refunding()) == "ORDERNOTEXIST"
    assert await declined(secure, REFUND, about(**_by_transaction("4200"))) == "INVALID_TRANSACTIONID"
    await secure.create(order("T000001"))
    assert await declined(secure, REFUND, refunding()) == "ORDERNOTEXIST"
    await secure.call("/pay/closeorder", asking("T000001"))
    assert await declined(secure, REFUND, refunding()) == "ORDERNOTEXIST"


def _by_transaction(transaction_id: str, amount: int = 1280, refund: str = "R000001") -> dict[str, str]:
    own = {"transaction_id": transaction_id, "out_refund_no": refund}
    return own | {"total_fee": "1280", "refund_fee": str(amount)}


async def test_F01_fifty_refunds_of_the_full_amount_at_once_are_one(secure: Desk) -> None:
    await paid(secure)
    await secure.control("limits", invalid_per_s=None)
    asked = (secure.call(REFUND, refunding(f"R{index:06d}")) for index in range(50))
    answers = await asyncio.gather(*asked)
    assert [answer["result_code"] for answer in answers].count("SUCCESS") == 1
    assert {answer.get("err_code_des", "") for answer in answers} == {"", "订单已全额退款"}


async def test_F02_partial_refunds_never_exceed_the_total(secure: Desk) -> None:
    await paid(secure)
    await hold(secure)
    await accepted(secure, refunding("R000001", amount=1000))
    answer = await secure.call(REFUND, refunding("R000002", amount=281))
    assert (answer["err_code"], answer["err_code_des"]) == ("INVALID_REQUEST", "累计退款金额大于支付金额")
    await accepted(secure, refunding("R000003", amount=280))
    await secure.control("refunds/R000001", status="REFUNDCLOSE")
    await accepted(secure, refunding("R000004", amount=1000))
    assert await declined(secure, REFUND, refunding("R000005", amount=1)) == "INVALID_REQUEST"


async def test_F03_the_same_number_is_the_same_refund(secure: Desk) -> None:
    await paid(secure)
    await paid(secure, "T000002")
    first = await accepted(secure, refunding(amount=500))
    again = await accepted(secure, refunding(amount=500, nonce_str="other"))
    assert {**again, "sign": "", "nonce_str": ""} == {**first, "sign": "", "nonce_str": ""}
    assert await declined(secure, REFUND, refunding(amount=501)) == "REFUND_FEE_MISMATCH"
    assert await declined(secure, REFUND, refunding(amount=500, total_fee="1")) == "REFUND_FEE_MISMATCH"
    assert await declined(secure, REFUND, refunding(number="T000002", amount=500)) == "INVALID_REQUEST"
    assert len((await secure.ledger())["refunds"]) == 1


async def test_F06_a_short_balance_makes_no_refund_and_the_same_number_works_later(secure: Desk) -> None:
    await paid(secure)
    await hold(secure)
    await secure.control("balances", mch_id=MCH_ID, sub_mch_id=COFFEE, amount=700)
    assert await declined(secure, REFUND, refunding(amount=701)) == "NOTENOUGH"
    assert (await secure.ledger())["refunds"] == []
    await accepted(secure, refunding("R000002", amount=600))
    assert await declined(secure, REFUND, refunding(amount=200)) == "NOTENOUGH"
    await secure.control("refunds/R000002", status="REFUNDCLOSE")
    await accepted(secure, refunding(amount=200))
    await secure.control("balances", mch_id=MCH_ID, sub_mch_id=COFFEE, amount=None)
    await accepted(secure, refunding("R000003", amount=1080))


async def test_F08_fifty_partial_refunds_and_no_more(secure: Desk) -> None:
    await paid(secure)
    await secure.control("clock", advance_s=1)
    for index in range(50):
        await accepted(secure, refunding(f"R{index:06d}", amount=1))
    answer = await secure.call(REFUND, refunding("R000050", amount=1))
    assert answer["err_code"] == "INVALID_REQUEST"
    assert "50次" in answer["err_code_des"]
    page = await secure.call(REFUNDQUERY, about(out_trade_no="T000001", offset="45"))
    assert (page["refund_count"], page["total_refund_count"]) == ("5", "50")
    assert page["out_refund_no_0"] == "R000045"


async def test_F08_a_payment_older_than_a_year_is_not_refunded(secure: Desk) -> None:
    await paid(secure)
    await secure.control("clock", advance_s=YEAR_S - 60)
    await accepted(secure, refunding(amount=1))
    await secure.control("clock", advance_s=61)
    assert await declined(secure, REFUND, refunding("R000002", amount=1)) == "TRADE_OVERDUE"


async def test_refunds_are_found_by_four_numbers_in_order_of_priority(secure: Desk) -> None:
    transaction_id = await paid(secure)
    other = await paid(secure, "T000002")
    first = await accepted(secure, refunding("R000001", amount=1))
    second = await accepted(secure, refunding("R000002", amount=2))
    third = await accepted(secure, refunding("R000003", "T000002", amount=3))

    async def found(**numbers: str) -> list[str]:
        answer = await secure.call(REFUNDQUERY, about(**numbers))
        return [answer[f"refund_id_{index}"] for index in range(int(answer["refund_count"]))]

    both = [first["refund_id"], second["refund_id"]]
    assert await found(out_trade_no="T000001") == both
    assert await found(transaction_id=transaction_id) == both
    assert await found(transaction_id=other, out_trade_no="T000001") == [third["refund_id"]]
    assert await found(out_refund_no="R000002", transaction_id=other) == [second["refund_id"]]
    assert await found(refund_id=first["refund_id"], out_refund_no="R000003") == [first["refund_id"]]


async def test_a_page_holds_ten_refunds_and_offset_skips(secure: Desk) -> None:
    await paid(secure)
    for index in range(12):
        await accepted(secure, refunding(f"R{index:06d}", amount=1))
    first = await secure.call(REFUNDQUERY, about(out_trade_no="T000001"))
    assert (first["refund_count"], first["total_refund_count"], first["refund_fee"]) == ("10", "12", "10")
    rest = await secure.call(REFUNDQUERY, about(out_trade_no="T000001", offset="10"))
    assert (rest["refund_count"], rest["out_refund_no_0"]) == ("2", "R000010")
    beyond = about(out_trade_no="T000001", offset="12")
    assert await declined(secure, REFUNDQUERY, beyond) == "REFUNDNOTEXIST"
    assert await declined(secure, REFUNDQUERY, beyond | {"offset": "-1"}) == "PARAM_ERROR"


async def test_refunds_that_do_not_exist_or_are_somebody_elses(secure: Desk) -> None:
    transaction_id = await paid(secure)
    await secure.create(order("T000002"))
    for unknown in ({"refund_id": "5030"}, {"out_refund_no": "R9"}, {"out_trade_no": "T000001"}):
        assert await declined(secure, REFUNDQUERY, about(**unknown)) == "REFUNDNOTEXIST"
    assert await declined(secure, REFUNDQUERY, about(out_trade_no="T000002")) == "REFUNDNOTEXIST"
    assert await declined(secure, REFUNDQUERY, about(out_trade_no="T999999")) == "ORDERNOTEXIST"
    assert await declined(secure, REFUNDQUERY, about(transaction_id="42")) == "INVALID_TRANSACTIONID"
    assert (await secure.call(REFUNDQUERY, about()))["return_msg"] == "缺少参数：out_trade_no"
    refund_id = (await accepted(secure, refunding()))["refund_id"]
    for number in (
        {"refund_id": refund_id},
        {"out_refund_no": "R000001"},
        {"transaction_id": transaction_id},
    ):
        answer = await secure.call(REFUNDQUERY, about(sub_mch_id=BAKERY, **number))
        assert answer["return_msg"] == "子商户号和订单信息不匹配"
    stranger = about(refund_id=refund_id, appid=MERCHANT_APP, mch_id=MERCHANT, sub_mch_id="")
    assert (await secure.call(REFUNDQUERY, stranger, OTHER_KEY))["return_msg"] == "商户号和订单不匹配"


async def test_B05_each_of_two_payments_is_refunded_by_its_own_number(secure: Desk) -> None:
    first = await paid(secure)
    second = (await secure.control("pay", out_trade_no="T000001", again=True))["transaction_id"]
    await accepted(secure, about(**_by_transaction(second)))
    asked = await secure.call("/pay/orderquery", asking("T000001"))
    assert (asked["transaction_id"], asked["trade_state"]) == (first, "SUCCESS")
    asked = await secure.call("/pay/orderquery", asking("", transaction_id=second))
    assert asked["trade_state"] == "REFUND"
    await accepted(secure, refunding("R000002"))
    by_transaction = {entry["transaction_id"]: entry for entry in (await secure.ledger())["refunds"]}
    assert {name: entry["out_refund_no"] for name, entry in by_transaction.items()} == {
        first: "R000002",
        second: "R000001",
    }


@pytest.mark.parametrize(
    ("kind", "effect"), [("drop_answer_after_effect", 1), ("drop_before_effect", 0), ("stop", 0)]
)
async def test_G02_the_connection_is_cut_under_a_refund(secure: Desk, kind: str, effect: int) -> None:
    await paid(secure)
    await secure.fault(REFUND, kind)
    with pytest.raises(httpx.TransportError):
        await secure.call(REFUND, refunding())
    assert len((await secure.ledger())["refunds"]) == effect


@pytest.mark.parametrize(
    ("kind", "params", "code", "effect"),
    [
        ("error_with_effect", {}, "SYSTEMERROR", 1),
        ("error_with_effect", {"err_code": "BIZERR_NEED_RETRY"}, "BIZERR_NEED_RETRY", 1),
        ("error_without_effect", {"err_code": "ORDER_NOT_READY"}, "ORDER_NOT_READY", 0),
        ("frequency_limited", {}, "FREQUENCY_LIMITED", 0),
    ],
)
async def test_G03_G04_refund_errors_with_and_without_effect(
    secure: Desk, kind: str, params: dict[str, str], code: str, effect: int
) -> None:
    await paid(secure)
    await secure.fault(REFUND, kind, **params)
    assert await declined(secure, REFUND, refunding()) == code
    assert len((await secure.ledger())["refunds"]) == effect
    await accepted(secure, refunding())


@pytest.mark.parametrize("path", [REFUND, REFUNDQUERY])
@pytest.mark.parametrize("kind", ["wrong_answer_signature", "missing_answer_signature", "echo_other_order"])
async def test_G05_G13_spoiled_answers_about_refunds(secure: Desk, path: str, kind: str) -> None:
    await paid(secure)
    await accepted(secure, refunding())
    await secure.fault(path, kind)
    params = refunding() if path == REFUND else about(out_refund_no="R000001")
    answer = await secure.raw(path, xml(params | {"sign": signature(params)}))
    assert (answer.get("sign") == signature(answer)) == (kind == "echo_other_order")
    assert (answer["sub_mch_id"] == BAKERY) == (kind == "echo_other_order")
