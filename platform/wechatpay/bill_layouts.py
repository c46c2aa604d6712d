"""What the columns of bills are called, over all layouts and generations, and how their values are written.

A column is found by its name alone: the order differs by the type of a bill, and names were changed over the
years (wechatpay-v2 4.8, 13; wechatpay-v3 5.4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from wechatpay.bills import MILLIFEN, BillKind, Rate
from wechatpay.masking import mask_openid

_BEIJING = timedelta(hours=8)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_YUAN = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2})0{0,4})?")
_FEE = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,5}))?")
_COUNT = re.compile(r"[0-9]{1,12}")
_FULL_WIDTH = str.maketrans("（）", "()")
_FEN_PER_YUAN = 100
_INCOME, _EXPENSE = "收入", "支出"
_REMEMBERED = 16_384


class BadValue(ValueError):
    """A value that is not in the form of its column. Holds neither: the line says where to look."""


@lru_cache(_REMEMBERED)
def fen(text: str) -> int:
    """Yuan as a bill writes them ("0.10", "1.1", "-0.10") in fen. Raises BadValue for anything else.

    At most 12 digits before the point, and nothing finer than a fen; digits are read as digits, so that no
    fraction is ever rounded (failure catalogue L04).
    """
    parts = _YUAN.fullmatch(text)
    if parts is None:
        raise BadValue("an amount is not written in yuan with at most two decimals")
    value = int(parts[2]) * _FEN_PER_YUAN + int((parts[3] or "0").ljust(2, "0"))
    return -value if parts[1] else value


@lru_cache(_REMEMBERED)
def millifen(text: str) -> int:
    """A fee in yuan with up to five decimals, in thousandths of a fen. Raises BadValue for anything else."""
    parts = _FEE.fullmatch(text)
    if parts is None:
        raise BadValue("a fee is not written in yuan with at most five decimals")
    value = int(parts[2]) * _FEN_PER_YUAN * MILLIFEN + int((parts[3] or "0").ljust(5, "0"))
    return -value if parts[1] else value


@lru_cache(_REMEMBERED)
def rate(text: str) -> Rate | None:
    """A fee rate; None for one that cannot be read: the fee itself is what counts."""
    try:
        return Rate.parse(text)
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def moment(text: str) -> datetime:
    """A time of Beijing, `2026-11-21 20:51:07`, as UTC. Raises BadValue."""
    if _TIME.fullmatch(text) is None:
        raise BadValue("a time is not written like 2026-11-21 20:51:07")
    try:
        return datetime.fromisoformat(f"{text}+00:00") - _BEIJING
    except (ValueError, OverflowError):
        raise BadValue("a time that does not exist") from None


def masked(payer: str) -> str:
    """An openid as it may be kept; nothing stays nothing."""
    return mask_openid(payer) if payer else ""


def moved(direction: str, amount: str) -> int:
    """What moved on an account in fen, below zero when it left, also where the text has no sign."""
    value = fen(amount)
    if direction == _EXPENSE:
        return -abs(value)
    if direction != _INCOME:
        raise BadValue("money neither came nor left")
    return value


def count(text: str) -> int:
    """A number of lines. Raises BadValue."""
    if _COUNT.fullmatch(text) is None:
        raise BadValue("a number of lines is not written in digits")
    return int(text)


def plain_name(name: str) -> str:
    """A column's name without what differs between generations: blanks around it, full-width brackets."""
    return name.strip().translate(_FULL_WIDTH)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind of bill.

    `needed` and `optional` give for a field the names its column has had, the best one first; together they
    stand in the order in which the fields are taken. `companions` are optional fields that must be there when
    the field before them is. `known` are further columns that WeChat documents. `free_text` is the column
    whose text other merchants choose.
    """

    needed: Mapping[str, tuple[str, ...]]
    optional: Mapping[str, tuple[str, ...]]
    companions: Mapping[str, str]
    known: frozenset[str]
    free_text: str
    summary: Mapping[str, tuple[str, ...]]
    counted_by: str
    """The column of the summary that has the number of lines, by which the summary is found."""

    def __contains__(self, name: str) -> bool:
        """Whether WeChat documents a column of this name."""
        named = (*self.needed.values(), *self.optional.values())
        return name in self.known or any(name in names for names in named)


_SETTLED = ("应结订单金额", "总金额")

LAYOUTS: Mapping[BillKind, Layout] = {
    BillKind.TRADE: Layout(
        needed={
            "at": ("交易时间",),
            "mch_id": ("商户号",),
            "sub_mch_id": ("特约商户号", "子商户号"),
            "appid": ("公众账号ID", "服务商的APPID"),
            "transaction_id": ("微信订单号",),
            "out_trade_no": ("商户订单号",),
            "payer": ("用户标识",),
            "trade_type": ("交易类型",),
            "state": ("交易状态",),
            "currency": ("货币种类",),
            "total": ("订单金额", *_SETTLED),
            "settled": _SETTLED,
            "fee": ("手续费", "返还手续费"),
            "rate": ("费率",),
        },
        optional={
            "refund_id": ("微信退款单号",),
            "out_refund_no": ("商户退款单号",),
            "refund_amount": ("退款金额",),
            "refund_applied": ("申请退款金额", "退款金额"),
            "refund_state": ("退款状态",),
            "description": ("商品名称",),
        },
        companions={"refund_id": "out_refund_no", "out_refund_no": "refund_amount"},
        known=frozenset(
            {
                "设备号",
                "付款银行",
                "代金券金额",
                "代金券或立减优惠金额",
                "企业红包金额",
                "充值券退款金额",
                "代金券或立减优惠退款金额",
                "企业红包退款金额",
                "退款类型",
                "退款申请时间",
                "退款成功时间",
                "商户数据包",
                "费率备注",
                "特约商户APPID",
                "子商户APPID",
            }
        ),
        free_text="商品名称",
        summary={
            "lines": ("总交易单数",),
            "settled": ("应结订单总金额", "总交易额"),
            "refunded": ("退款总金额", "总退款金额"),
            "fee": ("手续费总金额", "返还手续费总金额"),
            "total": ("订单总金额",),
            "refund_applied": ("申请退款总金额",),
        },
        counted_by="总交易单数",
    ),
    BillKind.FUND: Layout(
        needed={
            "at": ("记账时间",),
            "business_no": ("微信支付业务单号",),
            "flow_no": ("资金流水单号",),
            "name": ("业务名称",),
            "type": ("业务类型",),
            "direction": ("收支类型",),
            "amount": ("收支金额(元)", "收支金额"),
            "balance": ("账户结余(元)", "账户结余"),
        },
        optional={
            "applicant": ("资金变更提交申请人",),
            "note": ("备注",),
            "voucher": ("业务凭证号",),
        },
        companions={},
        known=frozenset(),
        free_text="备注",
        summary={
            "lines": ("资金流水总笔数",),
            "income_lines": ("收入笔数",),
            "income": ("收入金额", "收入金额(元)"),
            "expense_lines": ("支出笔数",),
            "expense": ("支出金额", "支出金额(元)"),
        },
        counted_by="资金流水总笔数",
    ),
}
