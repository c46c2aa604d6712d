"""The text of bills as WeChat writes it (wechatpay-v2 4.8, 4.9; wechatpay-v3 5.4).

Every value has a back-tick before it, amounts are yuan, fees have five decimals, lines end in CR LF. API v2
leaves commas in names as they are, v3 writes a backslash and a blank instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from spsim.api_keys import V2
from spsim.clock import wire_date_time

from .fund import FundRow
from .rules import BillRules
from .trade import REVOKED, SUCCESS, TradeRow

ALL: Final = "ALL"
BILL_TYPES: Final[dict[str, Callable[[TradeRow], bool]]] = {
    ALL: lambda _row: True,
    "SUCCESS": lambda row: row.state == SUCCESS,
    "REFUND": lambda row: row.is_refund,
    "RECHARGE_REFUND": lambda row: row.is_refund and row.recharged,
}
"""Which lines each type of trade bill has."""
_LINE_END: Final = "\r\n"
_BOM: Final = "\ufeff"
_Column = tuple[str, Callable[[TradeRow], str]]


def yuan(fen: int) -> str:
    """Write fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _fee(fen: int) -> str:
    return f"{yuan(fen)}000"


def _time(at: int | None) -> str:
    return "" if at is None else wire_date_time(at)


_ORDER: Final[tuple[_Column, ...]] = (
    ("交易时间", lambda row: wire_date_time(row.at)),
    ("公众账号ID", lambda row: row.appid),
    ("商户号", lambda row: row.mch_id),
    ("特约商户号", lambda row: row.sub_mch_id),
    ("设备号", lambda row: row.device),
    ("微信订单号", lambda row: row.transaction_id),
    ("商户订单号", lambda row: row.out_trade_no),
    ("用户标识", lambda row: row.openid),
    ("交易类型", lambda row: row.trade_type),
    ("交易状态", lambda row: row.state),
    ("付款银行", lambda _row: "OTHERS"),
    ("货币种类", lambda _row: "CNY"),
    ("应结订单金额", lambda row: yuan(row.total)),
    ("代金券金额", lambda _row: "0.00"),
)
_REFUND_TIMES: Final[tuple[_Column, ...]] = (
    ("退款申请时间", lambda row: _time(row.at)),
    ("退款成功时间", lambda row: _time(row.refunded_at)),
)
_REFUND: Final[tuple[_Column, ...]] = (
    ("微信退款单号", lambda row: row.refund_id),
    ("商户退款单号", lambda row: row.out_refund_no),
    ("退款金额", lambda row: yuan(row.refund)),
    ("充值券退款金额", lambda _row: "0.00"),
    ("退款类型", lambda row: "ORIGINAL" if row.is_refund or row.state == REVOKED else ""),
    ("退款状态", lambda row: row.refund_state),
)
_GOODS: Final[tuple[_Column, ...]] = (
    ("商品名称", lambda row: row.description),
    ("商户数据包", lambda row: row.attach),
)
_STORE: Final[_Column] = ("门店编号", lambda _row: "S001")
"""A column that nobody has heard of, in the middle: it moves all that come after it."""
_FEES: Final[tuple[_Column, ...]] = (
    ("手续费", lambda row: _fee(row.fee)),
    ("费率", lambda row: row.rate),
)
_TOTAL: Final[_Column] = ("订单金额", lambda row: yuan(row.total))
_APPLIED: Final[_Column] = ("申请退款金额", lambda row: yuan(row.refund))
_REMARK: Final[_Column] = ("费率备注", lambda _row: "")
_NEW: Final = frozenset({"订单金额", "申请退款金额", "费率备注"})
"""What the older layout does not have."""
_OLD_NAMES: Final = {
    "公众账号ID": "服务商的APPID",
    "特约商户号": "子商户号",
    "应结订单金额": "总金额",
    "代金券金额": "代金券或立减优惠金额",
    "充值券退款金额": "代金券或立减优惠退款金额",
}
_SUMMARY: Final = (
    "总交易单数",
    "应结订单总金额",
    "退款总金额",
    "充值券退款总金额",
    "手续费总金额",
    "订单总金额",
    "申请退款总金额",
)
_OLD_SUMMARY: Final = ("总交易单数", "总交易额", "总退款金额", "总代金券或立减优惠退款金额", "手续费总金额")
_FUND_SUMMARY: Final = ("资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the text is written: by which API generation it was asked for, and the tester's switches."""

    api: str
    rules: BillRules
    wrong_summary: bool = False

    def trade(self, rows: Sequence[TradeRow], bill_type: str) -> bytes:
        """Write a trade bill."""
        columns = self._columns(bill_type)
        refunded = sum(row.refund for row in rows)
        total = sum(row.total for row in rows) + (1 if self.wrong_summary else 0)
        sums = [str(len(rows)), yuan(total), yuan(refunded), "0.00", _fee(sum(row.fee for row in rows))]
        sums += [] if self.rules.old_names else [yuan(total), yuan(refunded)]
        return self._written(
            [self._renamed(name) for name, _value in columns],
            ([self._clean(value(row)) for _name, value in columns] for row in rows),
            _OLD_SUMMARY if self.rules.old_names else _SUMMARY,
            sums,
        )

    def fund(self, rows: Sequence[FundRow]) -> bytes:
        """Write a fund bill; v2 has other brackets around the unit than v3."""
        unit = "（元）" if self.api == V2 else "(元)"
        amounts = [row.movement.amount for row in rows]
        came, went = [each for each in amounts if each > 0], [-each for each in amounts if each < 0]
        wrong = 1 if self.wrong_summary else 0
        return self._written(
            [
                "记账时间",
                "微信支付业务单号",
                "资金流水单号",
                "业务名称",
                "业务类型",
                "收支类型",
                f"收支金额{unit}",
                f"账户结余{unit}",
                "资金变更提交申请人",
                "备注",
                "业务凭证号",
            ],
            ([self._clean(value) for value in _fund_values(row)] for row in rows),
            _FUND_SUMMARY,
            [str(len(rows)), str(len(came)), yuan(sum(came) + wrong), str(len(went)), yuan(sum(went))],
        )

    def _columns(self, bill_type: str) -> list[_Column]:
        with_refunds = bill_type != "SUCCESS"
        found = [*_ORDER]
        if bill_type in {"REFUND", "RECHARGE_REFUND"}:
            found += _REFUND_TIMES
        if with_refunds:
            found += _REFUND
        found += _GOODS
        if self.rules.extra_column:
            found.append(_STORE)
        fee, rate = _FEES
        found += [("返还手续费", fee[1]) if bill_type == "RECHARGE_REFUND" else fee, rate, _TOTAL]
        if with_refunds:
            found.append(_APPLIED)
        found.append(_REMARK)
        return [column for column in found if not (self.rules.old_names and column[0] in _NEW)]

    def _renamed(self, name: str) -> str:
        return _OLD_NAMES.get(name, name) if self.rules.old_names else name

    def _clean(self, value: str) -> str:
        """Keep a value from looking like the end of itself."""
        plain = value.replace("`", "").replace("\r", "").replace("\n", " ")
        return plain if self.api == V2 else plain.replace(",", "\\ ")

    def _written(
        self,
        header: Sequence[str],
        lines: Iterable[Sequence[str]],
        summary: Sequence[str],
        sums: Sequence[str],
    ) -> bytes:
        text = [",".join(header), *(_line(values) for values in lines), ",".join(summary), _line(sums)]
        start = _BOM if self.rules.bom else ""
        return (start + _LINE_END.join(text) + _LINE_END).encode()


def _line(values: Sequence[str]) -> str:
    return "`" + ",`".join(values)


def _fund_values(row: FundRow) -> list[str]:
    movement = row.movement
    return [
        wire_date_time(movement.at),
        movement.business_no,
        row.flow_no,
        movement.name,
        movement.name,
        "收入" if movement.amount > 0 else "支出",
        yuan(abs(movement.amount)),
        yuan(row.balance),
        row.applicant,
        movement.note,
        movement.voucher,
    ]
