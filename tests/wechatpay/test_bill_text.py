"""Bills are read by the names in their header, to the fen, in bounded memory (L03, L04, L06)."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.bill_texts import (
    ALL,
    FUND_SAMPLE,
    FUND_SUMMARY,
    FUNDS,
    PAID,
    REFUNDED,
    SAMPLE,
    SUMMARY,
    SUMS,
    bill,
    fund_lines,
    long_bill,
    row,
    trade_lines,
)

from wechatpay.bill_layouts import BadValue, fen, millifen
from wechatpay.bill_text import MAX_LINE_BYTES, BillReader, ends_with_summary
from wechatpay.bills import BillKind, FundSummary, MalformedBill, Rate, TradeLine, TradeSummary

TRADE, FUND = BillKind.TRADE, BillKind.FUND
OLD = (
    "交易时间,服务商的APPID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "总金额,代金券或立减优惠金额,微信退款单号,商户退款单号,退款金额,代金券或立减优惠退款金额,退款类型,退款状态,商品名称,"
    "商户数据包,手续费,费率"
)
SUCCESS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,商品名称,商户数据包,手续费,费率,订单金额,费率备注"
)
REFUND = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)


def in_layout(header: str, text: str = REFUNDED, **more: str) -> bytes:
    """The values of a line of `ALL` under another header."""
    told = dict(zip(ALL.split(","), text[1:].split(",`"), strict=True)) | more
    line = ",".join(f"`{told[name]}" for name in header.split(","))
    return bill(line, header=header, sums="`1,`0.01,`0.01,`0.00,`0.00000,`0.01,`0.01")


def fault(text: bytes, kind: BillKind = TRADE) -> MalformedBill:
    read = fund_lines if kind is FUND else trade_lines
    with pytest.raises(MalformedBill) as found:
        read(text)
    return found.value


def test_L03_the_worked_sample_of_the_reference_is_read() -> None:
    reader = BillReader(TRADE)
    paid, refunded = reader.feed(SAMPLE)
    assert reader.finish() == TradeSummary(2, 1, 1, 0, 1, 1)
    assert paid == TradeLine(
        number=1,
        at=datetime(2026, 11, 21, 12, 51, 7, tzinfo=UTC),
        mch_id="1900000109",
        sub_mch_id="1900000200",
        appid="wx1111aaaa2222bbbb",
        transaction_id="4200001234202611210123456789",
        out_trade_no="T0007-20261121_000001",
        payer="oSpUs****0001",
        trade_type="JSAPI",
        state="SUCCESS",
        currency="CNY",
        total=1,
        settled=1,
        refund_id=None,
        out_refund_no=None,
        refund_amount=0,
        refund_applied=0,
        refund_state=None,
        fee=0,
        rate=Rate(6000),
        description="米饭,大份",
        extra={
            "设备号": "",
            "付款银行": "OTHERS",
            "代金券金额": "0.00",
            "充值券退款金额": "0.00",
            "退款类型": "",
            "商户数据包": "t=7&p=01",
            "费率备注": "",
        },
    )
    assert isinstance(refunded, TradeLine)
    assert (refunded.number, refunded.is_refund, refunded.state) == (2, True, "REFUND")
    assert (refunded.refund_id, refunded.out_refund_no) == (
        "50300001232026112100000000001",
        "R0007-20261121_000001",
    )
    assert (refunded.total, refunded.refund_amount, refunded.refund_applied) == (0, 1, 1)
    assert refunded.refund_state == "SUCCESS"
    assert reader.columns == tuple(ALL.split(","))
    assert reader.unknown_columns == ()


def test_L03_a_fund_bill_is_read_and_money_that_left_is_below_zero() -> None:
    reader = BillReader(FUND)
    reader.feed(FUND_SAMPLE)
    assert reader.finish() == FundSummary(2, 1, 1000, 1, 6)
    income, fee = fund_lines(FUND_SAMPLE)
    assert (income.amount, income.balance) == (1000, 11000)
    assert (fee.amount, fee.balance, fee.name, fee.type) == (-6, 10994, "扣除交易手续费", "交易手续费")
    assert (fee.business_no, fee.flow_no) == ("4200001234202611210123456789", "1217752501201407033233368019")
    assert (fee.applicant, fee.voucher) == ("system", "REF4200001234")
    assert fee.note == "结算总金额 10.00 元;含手续费 0.06 元"
    assert fee.at == datetime(2026, 11, 20, 18, 11, tzinfo=UTC)


@pytest.mark.parametrize("brackets", ["（元）", "(元)", ""])
def test_L03_brackets_of_either_width_name_the_same_column(brackets: str) -> None:
    assert len(fund_lines(FUND_SAMPLE.replace("(元)".encode(), brackets.encode()))) == 2


def test_L03_a_byte_order_mark_and_bare_line_ends_change_nothing() -> None:
    expected = trade_lines(SAMPLE)
    assert trade_lines(b"\xef\xbb\xbf" + SAMPLE) == expected
    assert trade_lines(SAMPLE.replace(b"\r\n", b"\n")) == expected
    assert trade_lines(SAMPLE + b"\r\n\r\n") == expected


def test_L03_the_layout_of_paid_orders_alone_has_no_refund() -> None:
    [line] = trade_lines(in_layout(SUCCESS, PAID))
    assert (line.total, line.settled, line.is_refund, line.refund_amount) == (1, 1, False, 0)
    assert (line.refund_id, line.refund_state, line.refund_applied) == (None, None, 0)
    assert line.description == "米饭,大份"


def test_L03_the_layout_of_refunds_alone_has_their_times_beside() -> None:
    times = {"退款申请时间": "2026-11-21 20:55:10", "退款成功时间": "2026-11-21 20:56:00"}
    [line] = trade_lines(in_layout(REFUND, **times))
    assert (line.out_refund_no, line.refund_amount) == ("R0007-20261121_000001", 1)
    assert line.extra["退款成功时间"] == "2026-11-21 20:56:00"


def test_L03_the_layout_of_refunded_vouchers_calls_the_fee_otherwise() -> None:
    times = {"退款申请时间": "", "退款成功时间": "", "返还手续费": "0.00006"}
    [line] = trade_lines(in_layout(REFUND.replace("手续费", "返还手续费"), **times))
    assert line.fee == 6


def test_L03_names_and_columns_of_older_bills_are_known() -> None:
    renamed = {
        "服务商的APPID": "wx1111aaaa2222bbbb",
        "子商户号": "1900000200",
        "总金额": "12.34",
        "代金券或立减优惠金额": "0.00",
        "代金券或立减优惠退款金额": "0.00",
    }
    text = in_layout(OLD, **renamed).replace(SUMMARY.encode(), "总交易单数,总交易额,总退款金额".encode())
    text = text.replace(b"`1,`0.01,`0.01,`0.00,`0.00000,`0.01,`0.01", b"`1,`12.34,`0.01")
    reader = BillReader(TRADE)
    [line] = reader.feed(text)
    assert isinstance(line, TradeLine)
    assert (line.total, line.settled, line.sub_mch_id) == (1234, 1234, "1900000200")
    assert (line.refund_amount, line.refund_applied) == (1, 1)
    assert reader.finish() == TradeSummary(1, 1234, 1, None, None, None)
    assert reader.unknown_columns == ()


def test_L03_twenty_six_columns_are_as_good_as_twenty_seven() -> None:
    [line] = trade_lines(in_layout(ALL.removesuffix(",费率备注")))
    whole = trade_lines(in_layout(ALL))[0]
    assert line == replace(whole, extra=line.extra)
    assert "费率备注" not in line.extra


def test_L03_a_column_of_next_year_is_kept_under_its_name() -> None:
    reader = BillReader(TRADE)
    [line] = reader.feed(bill(f"{PAID},`7,`x", header=f"{ALL},明年的列, 后年的列 ", sums=SUMS))
    assert (line.extra["明年的列"], line.extra["后年的列"]) == ("7", "x")
    assert reader.unknown_columns == ("明年的列", "后年的列")


def test_L03_the_order_of_the_columns_means_nothing() -> None:
    turned = ",".join(reversed(ALL.split(",")))
    assert trade_lines(in_layout(turned)) == trade_lines(in_layout(ALL))


@pytest.mark.parametrize(
    "name", ["a,`b", ",`,`,`0.00,`", "`", "{{7*7}}", "<script>alert(1)</script>", "x,`y,`z,`" + "9" * 40]
)
def test_L03_no_product_name_moves_a_value_into_another_column(name: str) -> None:
    [line] = trade_lines(bill(row(商品名称=name, 手续费="0.00006", 订单金额="12.34")))
    assert line.description == name
    assert (line.fee, line.total, line.extra["商户数据包"], line.extra["费率备注"]) == (
        6,
        1234,
        "t=7&p=01",
        "",
    )


def test_L03_an_escaped_comma_of_v3_stays_as_it_is() -> None:
    assert trade_lines(bill(row(商品名称="米饭\\ 大份")))[0].description == "米饭\\ 大份"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.10", 10),
        ("1.1", 110),
        ("-0.10", -10),
        ("0.00", 0),
        ("7", 700),
        ("99999999.99", 9_999_999_999),
        ("999999999999.99", 99_999_999_999_999),
        ("0.29", 29),
        ("1.100", 110),
    ],
)
def test_L04_yuan_become_fen_exactly(text: str, value: int) -> None:
    assert fen(text) == value


@given(st.integers(-(10**14) + 1, 10**14 - 1))
def test_L04_every_amount_comes_back(value: int) -> None:
    sign, amount = "-" if value < 0 else "", abs(value)
    assert fen(f"{sign}{amount // 100}.{amount % 100:02d}") == value


@pytest.mark.parametrize(
    "text", ["", " ", "1,234.00", "¥1", "+1", "1e3", "NaN", "１.００", ".5", "1.", "0.001"]
)
def test_L04_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        fen(text)
    with pytest.raises(BadValue):
        fen("1234567890123")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.00000", 0), ("0.00600", 600), ("-0.07680", -7680), ("1", 100_000), ("0.1", 10_000)],
)
def test_L04_fees_keep_their_five_decimals(text: str, value: int) -> None:
    assert millifen(text) == value


def test_L04_a_day_is_one_of_beijing_time() -> None:
    [line] = trade_lines(bill(row(交易时间="2026-11-22 00:00:00")))
    assert line.at == datetime(2026, 11, 21, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("交易时间", "2026-11-21T20:51:07"),
        ("交易时间", "2026-02-30 00:00:00"),
        ("交易时间", "0001-01-01 00:00:00"),
        ("交易时间", ""),
        ("应结订单金额", "0.001"),
        ("订单金额", ""),
        ("退款金额", "x"),
        ("手续费", "0.000001"),
    ],
)
def test_a_value_that_is_not_in_its_form_stops_the_reading_at_its_line(column: str, value: str) -> None:
    assert fault(bill(PAID, row(**{column: value}), PAID)).line == 3


def test_a_rate_that_cannot_be_read_is_none() -> None:
    assert trade_lines(bill(row(费率="见备注")))[0].rate is None


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        pytest.param(b"", 0, "without a summary", id="nothing"),
        pytest.param(b"<html>\n", 1, "no column 交易时间", id="a page"),
        pytest.param(PAID.encode(), 1, "begin with a header", id="no header"),
        pytest.param(bill(PAID, header=ALL.replace("手续费", "费")), 1, "no column 手续费", id="no fee"),
        pytest.param(bill(PAID, header=f"{ALL},交易时间"), 1, "occurs twice", id="a column twice"),
        pytest.param(bill(PAID, header=ALL.replace(",退款金额", ",退款")), 1, "no column 退款金额", id="R"),
        pytest.param(bill(PAID, "`1,`2"), 3, "a value for each column", id="too few"),
        pytest.param(bill(PAID, f"{PAID},`1"), 3, "", id="too many"),
        pytest.param(bill(PAID, "总金额"), 3, "neither of data nor", id="a foreign line"),
        pytest.param(bill(PAID, ""), 3, "neither of data nor", id="a blank line"),
        pytest.param(bill(PAID, sums="`1"), 4, "a value for each of its columns", id="half a summary"),
        pytest.param(bill(PAID, sums=SUMS.replace("`2,", "`2.5,")), 4, "in digits", id="no count"),
        pytest.param(bill(PAID) + PAID.encode(), 5, "behind the summary", id="more behind"),
        pytest.param(f"{ALL}\r\n{PAID}\r\n".encode(), 2, "without a summary", id="cut"),
        pytest.param(bill(PAID).replace("米饭".encode(), b"\xe7\xb1"), 2, "not UTF-8", id="half a character"),
        pytest.param(bill(PAID).replace("米饭".encode(), b"\0"), 2, "zero byte", id="a zero byte"),
        pytest.param(b"x" * (MAX_LINE_BYTES + 1), 1, "too long", id="an endless line"),
    ],
)
def test_L03_a_damaged_bill_says_where_it_is_damaged(text: bytes, line: int, part: str) -> None:
    found = fault(text)
    assert part in found.reason
    assert found.line == line


def test_a_fund_bill_without_a_sum_or_a_direction_is_refused() -> None:
    cut = FUND_SUMMARY.replace(",支出金额", ",什么")
    assert "支出金额" in fault(FUND_SAMPLE.replace(FUND_SUMMARY.encode(), cut.encode()), FUND).reason
    assert fault(FUND_SAMPLE.replace("`支出".encode(), "`转出".encode()), FUND).line == 3
    assert fault(SAMPLE, FUND).reason == f"the header has no column {FUNDS.split(',', maxsplit=1)[0]}"


@given(st.lists(st.integers(0, len(SAMPLE)), max_size=40).map(sorted))
def test_L03_pieces_may_be_cut_anywhere(cuts: list[int]) -> None:
    assert trade_lines(SAMPLE, *cuts) == trade_lines(SAMPLE)


def test_L03_byte_by_byte_is_as_good() -> None:
    assert trade_lines(SAMPLE, *range(1, len(SAMPLE))) == trade_lines(SAMPLE)
    assert fund_lines(FUND_SAMPLE, *range(1, len(FUND_SAMPLE))) == fund_lines(FUND_SAMPLE)


@settings(max_examples=300)
@given(st.data())
def test_L03_damage_of_any_kind_gives_a_bill_or_one_kind_of_error(data: st.DataObject) -> None:
    text = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 30)))
        put = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b",`", b"\n", b"`", b",", b"\r"])))
        text[start:end] = put
    with suppress(MalformedBill):
        trade_lines(bytes(text))


def test_L06_reading_goes_on_where_another_reader_stood() -> None:
    text = b"".join(long_bill(50))
    whole = trade_lines(text)
    for stop in range(0, len(text), 97):
        first = BillReader(TRADE)
        begun = first.feed(text[:stop])
        second = BillReader(TRADE, resume=first.position)
        rest = second.feed(text[first.position.offset :])
        assert [*begun, *rest] == whole
        assert second.finish() == TradeSummary(50, 0, 0, 0, 0, 0)
        assert first.position.lines == len(begun)


def test_L06_a_position_behind_the_last_line_stands_before_the_summary() -> None:
    reader = BillReader(TRADE)
    reader.feed(SAMPLE)
    assert SAMPLE[reader.position.offset :].startswith(SUMMARY.encode())
    assert (reader.position.lines, reader.position.columns) == (2, tuple(ALL.split(",")))
    again = BillReader(TRADE, resume=reader.position)
    assert again.feed(SAMPLE[reader.position.offset :]) == []
    assert again.finish() == reader.finish()


def test_L06_a_fault_behind_a_resumed_place_has_the_line_of_the_file() -> None:
    first = BillReader(TRADE)
    text = bill(PAID, PAID, row(订单金额="x"))
    first.feed(text[: text.index(b"`x") - 300])
    with pytest.raises(MalformedBill) as found:
        BillReader(TRADE, resume=first.position).feed(text[first.position.offset :])
    assert found.value.line == 4


def test_L06_three_hundred_thousand_lines_take_no_more_memory_than_three_thousand() -> None:
    # In a process of its own: how much memory this one has had at most says nothing of one bill.
    script = """
import resource
from tests.support.bill_texts import long_bill
from wechatpay.bill_text import BillReader
from wechatpay.bills import BillKind

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

for lines in (3_000, 300_000):
    reader, found, before = BillReader(BillKind.TRADE), 0, peak()
    for piece in long_bill(lines):
        found += len(reader.feed(piece))
    assert reader.finish().lines == found == lines
print(peak() - before)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert int(ran.stdout) < 20 * 1024


@pytest.mark.parametrize(
    ("kind", "tail", "whole"),
    [
        (TRADE, SAMPLE, True),
        (TRADE, SAMPLE + b"\r\n", True),
        (FUND, FUND_SAMPLE, True),
        (FUND, SAMPLE, False),
        (TRADE, SAMPLE[: SAMPLE.rindex(b",`")], False),
        (TRADE, SAMPLE[: SAMPLE.rindex(b"\r\n")], False),
        (TRADE, SAMPLE[: SAMPLE.index(SUMMARY.encode())], False),
        (TRADE, b"", False),
    ],
)
def test_L02_the_end_of_a_text_tells_whether_it_is_whole(kind: BillKind, tail: bytes, whole: bool) -> None:
    assert ends_with_summary(kind, tail) is whole
