"""A bill's file leaves the house without its payers (L05, rule of exports)."""

from __future__ import annotations

import pytest

from wechatpay.bill_masking import PayerMask

_SAMPLE = (
    "\ufeff交易时间,商户号,用户标识,商品名称\r\n"
    "`2026-11-21 20:51:07,`1900000109,`oSpUser_00000000000000000001,`米饭,`oOther_0000000000000000001\r\n"
    "`2026-11-21 20:52:07,`1900000109,`,`面\r\n"
    "`damaged\r\n"
    "总交易单数,应结订单总金额,退款总金额\r\n"
    "`2,`0.02,`oNotAPayer_00000000000000000\r\n"
)


def _masked(text: str, size: int) -> str:
    mask, content = PayerMask(), text.encode()
    pieces = [mask.feed(content[at : at + size]) for at in range(0, len(content), size)]
    return b"".join([*pieces, mask.finish()]).decode()


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_payers_are_masked_however_the_text_is_cut_and_nothing_else_changes(size: int) -> None:
    assert _masked(_SAMPLE, size) == _SAMPLE.replace("oSpUser_00000000000000000001", "oSpUs****0001")


def test_a_bill_without_payers_and_one_without_a_last_line_end_stay_as_they_are() -> None:
    fund = "记账时间,收支金额(元)\r\n`2026-11-21 20:51:07,`-0.01"
    assert _masked(fund, 5) == fund
