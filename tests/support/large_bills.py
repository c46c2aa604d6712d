"""Trade bills of any length, for measuring readers and matching: text as WeChat writes it, made row by row.

`rows` is the truth of such a day, `trade_bill` the text of it; what is planted changes the text alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import count
from typing import Final, NamedTuple

HEADER: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,"
    "货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,"
    "商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
SUMMARY: Final = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
RATE: Final = "0.60%"
_ROWS_A_PIECE: Final = 1000
_DAY_S: Final = 86_400


class Row(NamedTuple):
    """One line. Amounts and `fee` are fen, `second` counts from the midnight in Beijing on which it began.

    A refund has its numbers, `refund` and `refund_state`; its `total` is 0 and its `fee` below zero.
    """

    second: int
    mch_id: str
    sub_mch_id: str
    transaction_id: str
    out_trade_no: str
    openid: str
    state: str
    total: int
    refund_id: str
    out_refund_no: str
    refund: int
    refund_state: str
    fee: int


Plant = Mapping[int, Callable[[Row], Iterable[Row]]]
"""What stands in the bill in place of the row of an index: nothing, another row, or several."""


def rows(
    n: int,
    *,
    mch_id: str,
    sub_mch_ids: Sequence[str],
    day: date,
    numbers: Iterator[str] | None = None,
    refund_every: int = 20,
) -> Iterator[Row]:
    """Yield the n rows of a day, oldest first; every `refund_every`-th refunds half of the payment before it.

    `numbers` names the payments; a refund's number is its payment's with `R` before it. 0: no refunds.
    """
    named = (f"L{day:%Y%m%d}{index:011d}" for index in count()) if numbers is None else numbers
    written = f"{day:%Y%m%d}"
    paid: Row | None = None
    for index in range(n):
        second = index * _DAY_S // n
        if paid is not None and refund_every and index % refund_every == refund_every - 1:
            refund = max(paid.total // 2, 1)
            yield paid._replace(
                second=second,
                state="REFUND",
                total=0,
                refund_id=f"5030000123{written}{index:011d}",
                out_refund_no=f"R{paid.out_trade_no}",
                refund=refund,
                refund_state="SUCCESS",
                fee=-fee_of(refund),
            )
            continue
        total = 1 + index * 7919 % 50_000
        paid = Row(
            second,
            mch_id,
            sub_mch_ids[index % len(sub_mch_ids)],
            f"4200001234{written}{index:010d}",
            next(named),
            f"oLarge{index % 100_000:022d}",
            "SUCCESS",
            total,
            "0",
            "0",
            0,
            "",
            fee_of(total),
        )
        yield paid


def trade_bill(
    n: int,
    *,
    mch_id: str,
    sub_mch_ids: Sequence[str],
    day: date,
    numbers: Iterator[str] | None = None,
    plant: Plant | None = None,
    refund_every: int = 20,
) -> Iterator[bytes]:
    """Yield the text of that day's bill in pieces of a thousand lines; its summary counts what it shows."""
    planted: Plant = {} if plant is None else plant
    truth = rows(
        n, mch_id=mch_id, sub_mch_ids=sub_mch_ids, day=day, numbers=numbers, refund_every=refund_every
    )
    midnight = f"{day:%Y-%m-%d}"
    lines = total = refunded = fee = 0
    piece = [HEADER]
    for index, true_row in enumerate(truth):
        change = planted.get(index)
        for row in (true_row,) if change is None else change(true_row):
            lines, total = lines + 1, total + row.total
            refunded, fee = refunded + row.refund, fee + row.fee
            piece.append(_line(row, midnight))
        if len(piece) >= _ROWS_A_PIECE:
            yield ("\r\n".join(piece) + "\r\n").encode()
            piece = []
    sums = (str(lines), yuan(total), yuan(refunded), "0.00", f"{yuan(fee)}000", yuan(total), yuan(refunded))
    piece += [SUMMARY, "`" + ",`".join(sums)]
    yield ("\r\n".join(piece) + "\r\n").encode()


def dropped(_row: Row) -> Iterable[Row]:
    """Plant: the line is missing."""
    return ()


def repeated(row: Row) -> Iterable[Row]:
    """Plant: the line stands there twice."""
    return row, row


def revoked(row: Row) -> Iterable[Row]:
    """Plant: the payment is a reversal instead."""
    return (row._replace(state="REVOKED", total=0, refund=row.total, fee=-row.fee),)


def changed(**fields: object) -> Callable[[Row], Iterable[Row]]:
    """Plant: the line says something else, `changed(total=1)`."""
    return lambda row: (Row(**(row._asdict() | fields)),)


def fee_of(amount: int) -> int:
    """Return the fee of an amount at 0.60 %, rounded half up; fen."""
    return (amount * 6 + 500) // 1000


def yuan(fen: int) -> str:
    """Write fen as bills do."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _line(row: Row, midnight: str) -> str:
    minutes, second = divmod(row.second, 60)
    total, refund = yuan(row.total), yuan(row.refund)
    return (
        f"`{midnight} {minutes // 60:02d}:{minutes % 60:02d}:{second:02d},`wx1111aaaa2222bbbb,`{row.mch_id}"
        f",`{row.sub_mch_id},`,`{row.transaction_id},`{row.out_trade_no},`{row.openid},`JSAPI,`{row.state}"
        f",`OTHERS,`CNY,`{total},`0.00,`{row.refund_id},`{row.out_refund_no},`{refund},`0.00"
        f",`{'ORIGINAL' if row.refund_state else ''},`{row.refund_state},`米饭,大份,`,`{yuan(row.fee)}000"
        f",`{RATE},`{total},`{refund},`"
    )
