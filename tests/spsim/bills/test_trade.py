"""What stands in a trade bill, and how it is written (wechatpay-v2 4.8, wechatpay-v3 5.4; catalogue L)."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from tests.support.simulated import (
    APPID,
    BAKERY,
    BAKERY_APP,
    COFFEE,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    OTHER_KEY,
    Desk,
    asking,
    merchant_order,
    order,
)
from tests.support.simulated_bills import (
    TRADE,
    asking_bill,
    fen,
    next_morning,
    parsed,
    until,
    v2_answer,
    v2_bill,
    v2_refusal,
    v3_bill,
)
from tests.support.simulated_money import MICROPAY, REVERSE, accepted, refunding, scanning
from tests.support.simulated_refunds_v3 import hold, pay, refund
from tests.support.simulated_v3 import V3Desk

HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
FIRST = HEADER.split(",")[:14]


async def paid_v2(desk: Desk, number: str, **changes: str) -> str:
    await desk.create(order(number, **changes))
    return str((await desk.control("pay", out_trade_no=number))["transaction_id"])


async def test_v2_writes_a_payment_as_the_real_bill_does(desk: V3Desk, today: date) -> None:
    transaction = await paid_v2(desk, "T0000001", body="米饭,大份", total_fee="1280")
    paid = (await desk.ledger())["payments"][0]
    day = await next_morning(desk)
    assert day == today
    answer = await v2_answer(desk, TRADE, asking_bill(day))
    assert answer.headers["content-type"].startswith("text/plain")
    header, line, sums, values, end = answer.content.decode().split("\r\n")
    assert (header, end) == (HEADER, "")
    stamp = line[1:20]
    assert (stamp[:13], line[0]) == (f"{today} 12", "`")
    assert line == (
        f"`{stamp},`{APPID},`{MCH_ID},`{COFFEE},`,`{transaction},`T0000001,`{paid['openid']},`JSAPI,`SUCCESS"
        ",`OTHERS,`CNY,`12.80,`0.00,`0,`0,`0.00,`0.00,`,`,`米饭,大份,`t=7&p=01,`0.08000,`0.60%,`12.80,`0.00,`"
    )
    assert (
        sums == "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
    )
    assert values == "`1,`12.80,`0.00,`0.00,`0.08000,`12.80,`0.00"


async def test_one_bill_has_the_orders_of_both_generations(desk: V3Desk, today: date) -> None:
    await paid_v2(desk, "T0000001")
    await pay(desk, "T0000002", description="米饭,大份")
    await desk.create(order("T0000003"))
    await next_morning(desk)
    by_v2, by_v3 = await v2_bill(desk, today), await v3_bill(desk, today)
    assert by_v2.column("商户订单号") == by_v3.column("商户订单号") == ["T0000001", "T0000002"]
    assert by_v2.column("商品名称") == ["晨曦咖啡-拿铁", "米饭,大份"]
    assert by_v3.column("商品名称") == ["晨曦咖啡-拿铁", "米饭\\ 大份"]
    packed = await v2_bill(desk, today, tar_type="GZIP"), await v3_bill(desk, today, tar_type="GZIP")
    assert [bill.text for bill in packed] == [by_v2.text, by_v3.text]


async def test_it_is_of_all_sub_merchants_or_of_one(desk: V3Desk, today: date) -> None:
    await paid_v2(desk, "T0000001")
    await paid_v2(desk, "T0000002", sub_mch_id=BAKERY, sub_appid=BAKERY_APP, sub_openid="oBakery_1")
    await next_morning(desk)
    assert (await v2_bill(desk, today)).column("特约商户号") == [COFFEE, BAKERY]
    for bill in (await v2_bill(desk, today, sub_mch_id=BAKERY), await v3_bill(desk, today, sub_mchid=BAKERY)):
        assert bill.column("商户订单号") == ["T0000002"]
        assert bill.summary["总交易单数"] == "1"


async def test_a_plain_merchant_has_no_sub_merchant_and_sees_nobody_else(
    desk: V3Desk, merchant: V3Desk, today: date
) -> None:
    await paid_v2(desk, "T0000001")
    await desk.create(merchant_order("M0000001"), OTHER_KEY)
    await desk.control("pay", out_trade_no="M0000001")
    await next_morning(desk)
    own = {"appid": MERCHANT_APP, "mch_id": MERCHANT}
    bill = await v2_bill(desk, today, OTHER_KEY, **own)
    assert bill.text == (await v3_bill(merchant, today)).text
    (row,) = bill.rows
    assert (row["商户号"], row["特约商户号"], row["商户订单号"]) == (MERCHANT, "0", "M0000001")


async def test_a_refund_stands_on_the_day_of_its_acceptance(desk: V3Desk, secure: Desk, today: date) -> None:
    await paid_v2(desk, "T0000001")
    await pay(desk, "T0000002")
    await accepted(secure, refunding("R0000001", "T0000001", 500))
    await desk.control("clock", advance_s=1)
    assert await until(desk, "12:00:00") == today + timedelta(days=1)
    await refund(desk, "R0000002", "T0000002", 1280)
    await next_morning(desk)
    before, after = await v2_bill(desk, today), await v2_bill(desk, today + timedelta(days=1))
    assert before.column("交易状态") == ["SUCCESS", "SUCCESS", "REFUND"]
    row = before.row(商户退款单号="R0000001")
    books = {entry["out_refund_no"]: entry for entry in (await desk.ledger())["refunds"]}
    assert row["微信退款单号"] == books["R0000001"]["refund_id"]
    assert (row["商户订单号"], row["订单金额"], row["应结订单金额"]) == ("T0000001", "0.00", "0.00")
    assert (row["退款金额"], row["申请退款金额"], row["退款类型"]) == ("5.00", "5.00", "ORIGINAL")
    assert (row["退款状态"], row["手续费"]) == ("SUCCESS", "-0.03000")
    assert after.column("商户退款单号") == ["R0000002"]
    assert after.summary["手续费总金额"] == "-0.08000"


async def test_L07_a_refund_that_settled_later_stays_as_it_was(desk: V3Desk, today: date) -> None:
    await hold(desk)
    for index in range(4):
        await pay(desk, f"T000000{index}")
        await refund(desk, f"R000000{index}", f"T000000{index}", 100)
    await desk.control("refunds/R0000001", status="CHANGE")
    await desk.control("refunds/R0000002", status="REFUNDCLOSE")
    await desk.control("refunds/R0000003", status="SUCCESS")
    await next_morning(desk)
    await desk.control("refunds/R0000000", status="SUCCESS")
    bill = await v3_bill(desk, today, bill_type="REFUND")
    assert bill.column("退款状态") == ["PROCESSING", "CHANGE", "FAIL", "SUCCESS"]
    assert [bool(at) for at in bill.column("退款成功时间")] == [False, False, False, True]


async def test_a_reversed_payment_code_stands_there_twice(desk: V3Desk, secure: Desk, today: date) -> None:
    shown = await desk.control("auth_codes", openid="oScanned", appid=APPID)
    code = scanning(shown["auth_code"], sub_appid="", sub_openid="")
    assert (await desk.call(MICROPAY, code))["result_code"] == "SUCCESS"
    await desk.control("clock", advance_s=16)
    assert (await secure.call(REVERSE, asking("S000001")))["recall"] == "N"
    await next_morning(desk)
    bill = await v2_bill(desk, today)
    assert bill.column("交易状态") == ["SUCCESS", "REVOKED"]
    assert len(set(bill.column("商户订单号"))) == len(set(bill.column("微信订单号"))) == 1
    undone = bill.rows[1]
    assert (undone["微信退款单号"], undone["商户退款单号"], undone["订单金额"]) == ("0", "0", "0.00")
    assert bill.summary["订单总金额"] == bill.summary["退款总金额"] == "12.80"
    assert bill.summary["手续费总金额"] == "0.00000"


async def test_the_summary_is_the_sum_of_the_lines(desk: V3Desk, today: date) -> None:
    for index, amount in enumerate((1, 99, 1280, 99_999_999)):
        await paid_v2(desk, f"T000000{index}", total_fee=str(amount))
    await desk.control("refunds", out_trade_no="T0000003", amount=777)
    await next_morning(desk)
    bill = await v2_bill(desk, today)
    for total, column in (("应结订单总金额", "应结订单金额"), ("退款总金额", "退款金额")):
        assert fen(bill.summary[total]) == sum(fen(value) for value in bill.column(column))
    fees = [fen(value.removesuffix("000")) for value in bill.column("手续费")]
    assert fees == [0, 1, 8, 600_000, -5], "rounded half up to a fen, given back with a refund"
    assert fen(bill.summary["手续费总金额"].removesuffix("000")) == sum(fees)


async def test_every_type_has_its_own_lines_and_columns(desk: V3Desk, secure: Desk, today: date) -> None:
    await paid_v2(desk, "T0000001")
    await accepted(secure, refunding("R0000001", "T0000001", 500))
    await refund(desk, "R0000002", "T0000001", 100)
    await next_morning(desk)
    bills = {
        kind: (await v2_bill(desk, today, bill_type=kind), await v3_bill(desk, today, bill_type=kind))
        for kind in ("ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND")
    }
    for by_v2, by_v3 in bills.values():
        assert by_v2.header == by_v3.header
    tail = ["商品名称", "商户数据包", "手续费", "费率", "订单金额"]
    given_back = ["微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态"]
    times = ["退款申请时间", "退款成功时间"]
    assert bills["ALL"][0].header == HEADER.split(",")
    assert bills["SUCCESS"][0].header == [*FIRST, *tail, "费率备注"]
    assert bills["REFUND"][0].header == [*FIRST, *times, *given_back, *tail, "申请退款金额", "费率备注"]
    renamed = [*tail[:2], "返还手续费", *tail[3:]]
    assert bills["RECHARGE_REFUND"][0].header == [
        *FIRST,
        *times,
        *given_back,
        *renamed,
        "申请退款金额",
        "费率备注",
    ]
    assert bills["SUCCESS"][0].column("交易状态") == ["SUCCESS"]
    assert bills["REFUND"][0].column("商户退款单号") == ["R0000001", "R0000002"]
    assert bills["RECHARGE_REFUND"][0].column("商户退款单号") == ["R0000001"]
    answer = await v2_refusal(desk, TRADE, asking_bill(today, bill_type="REVOKED"))
    assert answer == ("20001", "invalid bill_type")


async def test_L02_the_layout_can_be_older_or_have_more(desk: V3Desk, today: date) -> None:
    await paid_v2(desk, "T0000001", body="米饭,大份")
    await next_morning(desk)
    await desk.control("bills", old_names=True, bom=True, extra_column=True)
    content = (await v2_answer(desk, TRADE, asking_bill(today))).content
    assert content.startswith(b"\xef\xbb\xbf")
    bill = parsed(content)
    assert {"服务商的APPID", "子商户号", "总金额", "代金券或立减优惠金额"} <= set(bill.header)
    assert not {"公众账号ID", "特约商户号", "应结订单金额", "订单金额", "申请退款金额"} & set(bill.header)
    assert bill.header.index("门店编号") == bill.header.index("手续费") - 1
    (row,) = bill.rows
    assert (row["总金额"], row["子商户号"], row["商品名称"]) == ("12.80", COFFEE, "米饭,大份")
    assert (bill.summary["总交易额"], bill.summary["总退款金额"]) == ("12.80", "0.00")
    assert (await v3_bill(desk, today)).header == bill.header
    assert (await v3_bill(desk, today)).text == bill.text.replace("米饭,大份", "米饭\\ 大份")


async def test_rates_are_of_a_sub_merchant(desk: V3Desk, today: date) -> None:
    await desk.control("bills", rates={BAKERY: "0.38%"})
    await paid_v2(desk, "T0000001", total_fee="10000")
    bakery = {"sub_mch_id": BAKERY, "sub_appid": BAKERY_APP, "sub_openid": "oBakery_1"}
    await paid_v2(desk, "T0000002", total_fee="10000", **bakery)
    await next_morning(desk)
    bill = await v2_bill(desk, today)
    assert list(zip(bill.column("费率"), bill.column("手续费"), strict=True)) == [
        ("0.60%", "0.60000"),
        ("0.38%", "0.38000"),
    ]


@pytest.mark.parametrize("name", ["<script>`,`1</script>", "a,`b,`c", "两\n行", "=1+1,2"])
async def test_no_name_breaks_a_line(desk: V3Desk, today: date, name: str) -> None:
    await pay(desk, "T0000001", description=name)
    await next_morning(desk)
    for bill in (await v2_bill(desk, today), await v3_bill(desk, today)):
        assert len(bill.rows) == 1
        assert bill.rows[0]["订单金额"] == "12.80"
