"""Matching alone: every detail it knows, and that it does not matter how a day is cut (L01, L04, L05)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.bill_day import DAY, MCH, RATE, at, fee_of

from sptenants.orders.sums import DAY as ONE_DAY
from sptenants.orders.sums import day_of
from sptenants.reconciliation import fees
from sptenants.reconciliation.entries import Day, Line, Matching, OurPayment, OurRefund
from sptenants.reconciliation.fees import RateSum
from sptenants.reconciliation.matching import match
from sptenants.reconciliation.states import DifferenceDetail as D
from sptenants.reconciliation.states import Suspended
from sptenants.refunds.states import RefundStatus
from wechatpay.bills import Rate

ONE, OTHER = "ten_1", "ten_2"
TODAY = Day(DAY, MCH)


def payment(number: str = "N1", **changes: object) -> OurPayment:
    made = OurPayment(number, ONE, f"ord_{number}", "paid", 1_000, f"T{number}", at("12:00"))
    return replace(made, **changes)  # type: ignore[arg-type]


def refund(number: str = "R1", of: str = "N1", **changes: object) -> OurRefund:
    moment = at("13:00")
    made = OurRefund(
        number, of, ONE, f"ord_{of}", f"ref_{number}", 400, RefundStatus.SUCCEEDED, moment, moment
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def line(number: str = "N1", **changes: object) -> Line:
    numbers = (1, ONE, MCH, "1601", f"T{number}", number)
    made = Line(*numbers, "SUCCESS", "CNY", 1_000, 1_000, None, None, 0, 0, None, 6_000, RATE)
    return replace(made, **changes)  # type: ignore[arg-type]


def refund_line(number: str = "R1", of: str = "N1", **changes: object) -> Line:
    made = replace(line(of), state="REFUND", total=0, settled=0, refund_id=f"5{number}", out_refund_no=number)
    made = replace(made, refund_amount=400, refund_applied=400, refund_state="SUCCESS", fee=-2_000)
    return replace(made, **changes)  # type: ignore[arg-type]


def reversal(number: str = "N1") -> Line:
    back = replace(line(number), state="REVOKED", total=0, settled=0, fee=-6_000)
    return replace(back, refund_amount=1_000, refund_applied=1_000)


REVOKED_HERE = payment(status="revoked", paid_at=None)
YESTERDAY = payment(paid_at=at("12:00", DAY - ONE_DAY))


def details(matching: Matching) -> list[D]:
    return sorted(finding.detail for finding in matching.findings)


@pytest.mark.parametrize(
    ("lines", "payments", "refunds", "expected"),
    [
        pytest.param([line()], [payment()], [], [], id="both have it"),
        pytest.param([line()], [], [], [D.PAYMENT_UNKNOWN], id="unknown number"),
        pytest.param([], [payment()], [], [D.PAYMENT_ABSENT], id="in no bill"),
        pytest.param([line(total=999)], [payment()], [], [D.AMOUNT], id="amount"),
        pytest.param([line(currency="USD")], [payment()], [], [D.AMOUNT], id="currency"),
        pytest.param([line(transaction_id="T2")], [payment()], [], [D.TRANSACTION], id="other transaction"),
        pytest.param([line(), line(transaction_id="T2")], [payment()], [], [D.TRANSACTION], id="paid twice"),
        pytest.param([line()], [payment(status="closed", paid_at=None)], [], [D.STATE], id="closed here"),
        pytest.param([line(), reversal()], [payment()], [], [D.STATE], id="reversed there, paid here"),
        pytest.param(
            [line(), reversal()],
            [payment(status="revoked", paid_at=None)],
            [],
            [],
            id="reversed on both sides",
        ),
        pytest.param(
            [reversal()], [payment(status="revoked", paid_at=None)], [], [D.STATE], id="reversed later"
        ),
        pytest.param([line(), reversal()], [], [], [], id="a stranger's reversal comes to nothing"),
        pytest.param(
            [line(), line(transaction_id="T2"), reversal()],
            [payment()],
            [],
            [D.STATE, D.TRANSACTION],
            id="paid twice and ours reversed",
        ),
        pytest.param(
            [line(), line(transaction_id="T2"), replace(reversal(), transaction_id="T2")],
            [payment()],
            [],
            [],
            id="paid twice and the other reversed",
        ),
        pytest.param(
            [line(transaction_id="T2"), replace(reversal(), transaction_id="T2")],
            [payment()],
            [],
            [D.PAYMENT_ABSENT],
            id="only another payment, and it was reversed",
        ),
        pytest.param([line(), line()], [payment()], [], [D.REPEATED_LINE], id="line twice"),
        pytest.param([line(mch_id="1999999999", tenant_id=None)], [], [], [D.OTHER_PROVIDER], id="provider"),
        pytest.param([line(tenant_id=None)], [], [], [D.UNKNOWN_SUB_MERCHANT], id="unknown sub-merchant"),
        pytest.param([line(tenant_id=OTHER)], [payment()], [], [D.OTHER_TENANT], id="another tenant's"),
        pytest.param([line(tenant_id=None)], [payment()], [], [D.OTHER_TENANT], id="ours under nobody's"),
        pytest.param([line(fee=8_000)], [payment()], [], [D.FEE], id="fee"),
        pytest.param([refund_line()], [YESTERDAY], [refund()], [], id="refund"),
        pytest.param([line(), refund_line()], [payment()], [], [D.REFUND_UNKNOWN], id="refund unknown"),
        pytest.param([line()], [payment()], [refund()], [D.REFUND_ABSENT], id="refund in no bill"),
        pytest.param(
            [line(), refund_line(of="N2")],
            [payment(), payment("N2", paid_at=None)],
            [refund()],
            [D.REFUND_ABSENT, D.REFUND_UNKNOWN],
            id="refund of another payment",
        ),
        pytest.param(
            [line(), refund_line(refund_applied=401)],
            [payment()],
            [refund()],
            [D.REFUND_AMOUNT],
            id="refund amount",
        ),
        pytest.param(
            [line(), refund_line(), refund_line()],
            [payment()],
            [refund()],
            [D.REPEATED_LINE],
            id="refund twice",
        ),
    ],
)
def test_each_difference_has_its_detail(
    lines: list[Line], payments: list[OurPayment], refunds: list[OurRefund], expected: list[D]
) -> None:
    assert details(match(TODAY, lines, payments, refunds)) == expected


@pytest.mark.parametrize("said", ["SUCCESS", "PROCESSING", "FAIL", "CHANGE", "NEW_WORD", None])
@pytest.mark.parametrize("ours", RefundStatus)
def test_a_refund_agrees_with_what_the_bill_may_have_said_on_its_day(
    said: str | None, ours: RefundStatus
) -> None:
    """The bill tells the state at the end of the day of acceptance and never again (L04)."""
    accepted = None if ours in {"requested", "submitting", "rejected"} else at("13:00")
    mine = refund(status=ours, accepted_at=accepted)
    found = match(TODAY, [line(), refund_line(refund_state=said)], [payment()], [mine])

    agrees = {
        "SUCCESS": {"succeeded"},
        "PROCESSING": {"processing", "succeeded", "closed", "abnormal"},
        "FAIL": {"closed"},
        "CHANGE": {"abnormal", "succeeded", "closed"},
        "NEW_WORD": set(),
        None: {"processing", "succeeded", "closed", "abnormal"},
    }[said]
    waits = [one.reason for one in found.suspensions]
    assert details(found) == ([] if ours in agrees else [D.REFUND_STATE])
    assert waits == ([Suspended.REFUND_SETTLING] if ours == "processing" and ours in agrees else [])


def test_findings_of_strangers_name_no_tenant() -> None:
    """L05."""
    lines = [line(tenant_id=OTHER), line("N2", tenant_id=None), line("N3", tenant_id=None, mch_id="19")]

    found = match(TODAY, lines, [payment()], [])

    assert {finding.tenant_id for finding in found.findings} == {None}
    assert len({finding.mark for finding in found.findings}) == 3


@pytest.mark.parametrize(
    ("clock_time", "neighbour"),
    [
        ("00:00:00", DAY - ONE_DAY),
        ("00:09:59", DAY - ONE_DAY),
        ("00:10:00", None),
        ("23:49:59", None),
        ("23:50:00", DAY + ONE_DAY),
        ("23:59:59", DAY + ONE_DAY),
    ],
)
def test_only_near_midnight_a_neighbouring_bill_is_waited_for(
    clock_time: str, neighbour: date | None
) -> None:
    absent = payment(paid_at=at(clock_time))

    alone = match(TODAY, [], [absent], [])
    with_neighbours = match(Day(DAY, MCH, loaded=frozenset({DAY - ONE_DAY, DAY + ONE_DAY})), [], [absent], [])

    assert [one.until_date for one in alone.suspensions] == ([neighbour] if neighbour else [])
    assert details(alone) == ([] if neighbour else [D.PAYMENT_ABSENT])
    assert details(with_neighbours) == [D.PAYMENT_ABSENT]


def test_the_day_is_that_of_beijing() -> None:
    """L04: half past seven in the evening of the day before in UTC is this day in Beijing."""
    early = payment(paid_at=at("03:30"))
    assert details(match(TODAY, [line()], [early], [])) == []
    assert match(TODAY, [line()], [early], []).suspensions == ()


def test_what_both_days_bills_have_is_found_twice_in_the_bill() -> None:
    yesterday = payment(paid_at=at("23:59", DAY - ONE_DAY))

    shifted = match(TODAY, [line()], [yesterday], [])
    twice = match(Day(DAY, MCH, {("payment", "N1"): {DAY - ONE_DAY}}), [line()], [yesterday], [])

    assert [(one.bill_date, one.ended_on) for one in shifted.suspensions] == [(DAY - ONE_DAY, DAY)]
    assert details(shifted) == []
    assert details(twice) == [D.REPEATED_LINE]


@pytest.mark.parametrize("off", [999, -999, 0])
def test_a_fee_within_a_fen_is_right_whichever_way_it_was_rounded(off: int) -> None:
    assert details(match(TODAY, [line(fee=6_000 + off)], [payment()], [])) == []
    assert details(
        match(TODAY, [line(fee=6_000 + off + (1 if off >= 0 else -1) * 1_000)], [payment()], [])
    ) == [D.FEE]


def test_fees_of_money_that_goes_back_are_below_zero() -> None:
    assert fees.due(refund_line()) == -2_400
    assert fees.due(reversal()) == -6_000
    assert fees.is_right(refund_line(fee=-2_000))
    assert not fees.is_right(refund_line(fee=2_000))
    assert fees.due(line(rate=None)) is None
    assert fees.is_right(line(rate=None, fee=99_999))


def test_a_rate_is_compared_with_the_agreed_one() -> None:
    agreed = Rate.parse("0.38%")
    assert fees.off_rate(ONE, DAY, RateSum(agreed, 3, 30_000, 114_000), agreed) is None
    found = fees.off_rate(ONE, DAY, RateSum(Rate(RATE), 3, 30_000, 180_000), agreed)
    unread = fees.off_rate(ONE, DAY, RateSum(None, 1, 100, 0), agreed)
    assert found is not None
    assert unread is not None
    assert (found.ours, found.theirs, found.facts["agreed"]) == (114_000, 180_000, 3_800)
    assert found.mark != unread.mark


@given(st.integers(-999_999_999, 999_999_999), st.integers(0, 100_000))
def test_the_simulated_rounding_is_always_right(fen: int, rate: int) -> None:
    due = fees.at_rate(fen, rate)
    assert abs(fee_of(fen, rate) - due) < 1_000


_NUMBERS = st.sampled_from(["A", "B", "C", "D"])
_TENANTS = st.sampled_from([ONE, OTHER])
_MOMENTS = st.sampled_from([at("12:00"), at("23:59:58"), at("00:00:02"), at("12:00", DAY - ONE_DAY), None])
_LINES = st.builds(
    lambda number, tenant, kind, amount, transaction: replace(
        kind(number), tenant_id=tenant, transaction_id=transaction, settled=amount
    ),
    _NUMBERS,
    st.sampled_from([ONE, OTHER, None]),
    st.sampled_from([line, reversal, lambda number: refund_line(f"R{number}", number)]),
    st.integers(999, 1_001),
    st.sampled_from(["T1", "T2"]),
)


@st.composite
def _books(draw: st.DrawFn) -> tuple[list[Line], list[OurPayment], list[OurRefund]]:
    lines = [replace(one, number=n) for n, one in enumerate(draw(st.lists(_LINES, max_size=12)), 1)]
    payments, refunds = [], []
    for number in sorted(draw(st.sets(_NUMBERS))):
        tenant = draw(_TENANTS)
        payments.append(payment(number, tenant_id=tenant, paid_at=draw(_MOMENTS), transaction_id="T1"))
        if draw(st.booleans()):
            status = draw(st.sampled_from([RefundStatus.SUCCEEDED, RefundStatus.PROCESSING]))
            moment = at("13:00")
            refunds.append(refund(f"R{number}", number, tenant_id=tenant, status=status, accepted_at=moment))
    return lines, payments, refunds


@given(_books())
def test_a_day_cut_by_numbers_has_the_same_findings(
    books: tuple[list[Line], list[OurPayment], list[OurRefund]],
) -> None:
    lines, payments, refunds = books
    whole = match(TODAY, lines, payments, refunds)
    parts = [
        match(
            TODAY,
            [one for one in lines if one.out_trade_no == number],
            [one for one in payments if one.out_trade_no == number],
            [one for one in refunds if one.out_trade_no == number],
        )
        for number in "ABCD"
    ]

    found = [finding for part in parts for finding in part.findings]
    assert sorted(map(repr, whole.findings)) == sorted(map(repr, found))
    assert set(whole.suspensions) == {one for part in parts for one in part.suspensions}
    keys = [(finding.kind, finding.mark) for finding in whole.findings]
    assert len(set(keys)) == len(keys), "each difference is found once"


@given(_books())
def test_matching_explains_the_whole_distance_between_both_sides(
    books: tuple[list[Line], list[OurPayment], list[OurRefund]],
) -> None:
    """Of every number that nothing was found of, both sides have the same on this day."""
    lines, payments, refunds = books
    whole = match(TODAY, lines, payments, refunds)
    explained = {finding.out_trade_no for finding in whole.findings if finding.detail is not D.FEE}
    explained |= {one.out_trade_no for one in whole.suspensions if one.reason is Suspended.MIDNIGHT}
    for number in {"A", "B", "C", "D"} - explained:
        theirs = sum(one.paid for one in lines if one.out_trade_no == number)
        paid = [one for one in payments if one.out_trade_no == number and one.paid_at is not None]
        ours = sum(one.amount for one in paid if one.paid_at and day_of(one.paid_at) == DAY)
        assert theirs == ours
