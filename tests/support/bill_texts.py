"""Texts of bills as WeChat writes them: the reference's own sample, and long ones."""

from __future__ import annotations

from collections.abc import Iterator

from wechatpay.bill_text import BillReader
from wechatpay.bills import BillKind, FundLine, TradeLine

ALL = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
PAID = (
    "`2026-11-21 20:51:07,`wx1111aaaa2222bbbb,`1900000109,`1900000200,`,`4200001234202611210123456789,"
    "`T0007-20261121_000001,`oSpUser_00000000000000000001,`JSAPI,`SUCCESS,`OTHERS,`CNY,`0.01,`0.00,`0,`0,`0.00,"
    "`0.00,`,`,`米饭,大份,`t=7&p=01,`0.00000,`0.60%,`0.01,`0.00,`"
)
REFUNDED = (
    "`2026-11-21 20:55:10,`wx1111aaaa2222bbbb,`1900000109,`1900000200,`,`4200001234202611210123456789,"
    "`T0007-20261121_000001,`oSpUser_00000000000000000001,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,`0.00,"
    "`50300001232026112100000000001,`R0007-20261121_000001,`0.01,`0.00,`ORIGINAL,`SUCCESS,`米饭,大份,`t=7&p=01,"
    "`0.00000,`0.60%,`0.00,`0.01,`"
)
SUMS = "`2,`0.01,`0.01,`0.00,`0.00000,`0.01,`0.01"
SAMPLE = f"{ALL}\r\n{PAID}\r\n{REFUNDED}\r\n{SUMMARY}\r\n{SUMS}".encode()
"""The worked sample of wechatpay-v2 4.8."""

FUNDS = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,"
    "备注,业务凭证号"
)
FUND_SUMMARY = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
FUND_SAMPLE = (
    f"{FUNDS}\r\n"
    "`2026-11-21 02:11:00,`4200001234202611210123456789,`1217752501201407033233368018,`交易,`交易,`收入,"
    "`10.00,`110.00,`system,`结算总金额 10.00 元;含手续费 0.06 元,`REF4200001234\r\n"
    "`2026-11-21 02:11:00,`4200001234202611210123456789,`1217752501201407033233368019,`扣除交易手续费,"
    "`交易手续费,`支出,`0.06,`109.94,`system,`结算总金额 10.00 元;含手续费 0.06 元,`REF4200001234\r\n"
    f"{FUND_SUMMARY}\r\n`2,`1,`10.00,`1,`0.06\r\n"
).encode()


def row(**values: str) -> str:
    """A paid line of the layout `ALL`, with other values in the columns of these names."""
    names = ALL.split(",")
    told = dict(zip(names, PAID[1:].split(",`"), strict=True)) | values
    return ",".join(f"`{told[name]}" for name in names)


def bill(*rows: str, header: str = ALL, summary: str = SUMMARY, sums: str = SUMS) -> bytes:
    """A trade bill of these lines."""
    return "\r\n".join([header, *rows, summary, sums, ""]).encode()


def long_bill(lines: int, piece: int = 64 * 1024) -> Iterator[bytes]:
    """A trade bill of so many different lines, piece by piece and never whole."""
    pending = bytearray(f"{ALL}\r\n".encode())
    for number in range(lines):
        second = number * 86_400 // lines
        amount = f"{number % 5000 // 100 + 1}.{number % 100:02d}"
        pending += (
            f"`2026-11-21 {second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d},`wx1111aaaa2222bbbb,"
            f"`1900000109,`19000{number % 97:05d},`,`42000012342026112{number:011d},`T0007-{number:012d},"
            f"`oSpUser_{number:020d},`JSAPI,`SUCCESS,`OTHERS,`CNY,`{amount},`0.00,`0,`0,`0.00,`0.00,`,`,`米饭,"
            f"`ord_{number:020d},`0.0{number % 6000:04d},`0.60%,`{amount},`0.00,`\r\n"
        ).encode()
        if len(pending) >= piece:
            yield bytes(pending)
            pending.clear()
    yield bytes(pending) + f"{SUMMARY}\r\n`{lines},`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00\r\n".encode()


def trade_lines(text: bytes, *cuts: int) -> list[TradeLine]:
    """The lines of a whole trade bill, fed in pieces that are cut there."""
    return [line for line in _lines(BillKind.TRADE, text, cuts) if isinstance(line, TradeLine)]


def fund_lines(text: bytes, *cuts: int) -> list[FundLine]:
    """The lines of a whole fund bill, fed in pieces that are cut there."""
    return [line for line in _lines(BillKind.FUND, text, cuts) if isinstance(line, FundLine)]


def _lines(kind: BillKind, text: bytes, cuts: tuple[int, ...]) -> list[TradeLine | FundLine]:
    reader = BillReader(kind)
    found: list[TradeLine | FundLine] = []
    for start, end in zip((0, *cuts), (*cuts, len(text)), strict=True):
        found += reader.feed(text[start:end])
    reader.finish()
    return found
