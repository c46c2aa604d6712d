"""Our books against the lines of one trade bill: a pure function without database and clock.

What it is given is closed under `out_trade_no`: of every number either all of a day's lines and our rows, or
none. The findings of a day are therefore those of its parts, however it is cut (catalogue L01, L04, L05).

Whose a finding is: the tenant's whose number the line bears. A line of another merchant number, of a
sub-merchant that is no tenant here, or of our number under another sub-merchant, is nobody's: only the
provider sees it, so that no tenant learns of another one's trade.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sptenants.orders.sums import DAY, day_of, midnight
from sptenants.reconciliation import fees
from sptenants.reconciliation.entries import (
    Day,
    Finding,
    Kind,
    Line,
    Matching,
    OurPayment,
    OurRefund,
    Suspension,
)
from sptenants.reconciliation.states import DifferenceDetail, Suspended
from sptenants.refunds.states import RefundStatus

NEAR_MIDNIGHT = timedelta(minutes=10)
"""So close to either midnight a payment may stand in the neighbouring day's bill."""
SETTLES_WITHIN = 10 * DAY
"""A refund that WeChat accepted has its end by then (failure catalogue 2.4)."""

_D, _R = DifferenceDetail, RefundStatus

_AGREES: Mapping[str, frozenset[RefundStatus]] = {
    "SUCCESS": frozenset({_R.SUCCEEDED}),
    "PROCESSING": frozenset({_R.PROCESSING, _R.SUCCEEDED, _R.CLOSED, _R.ABNORMAL}),
    "FAIL": frozenset({_R.CLOSED}),
    "CHANGE": frozenset({_R.ABNORMAL, _R.SUCCEEDED, _R.CLOSED}),
}
"""Our states that fit a bill's word about a refund. A bill tells the state at the end of the day of
acceptance and never again: what moved on from there to an end that WeChat told us of agrees with it."""
ENDED = frozenset({_R.SUCCEEDED, _R.CLOSED, _R.ABNORMAL})


def match(
    day: Day, lines: Iterable[Line], payments: Iterable[OurPayment], refunds: Iterable[OurRefund]
) -> Matching:
    """Compare a bill's lines with our rows of the same numbers, of whatever day those rows are.

    Rules that are nowhere documented, decided for the safety of money:

    * A reversed payment code stands in the bill twice and comes to nothing; paid here, it is a difference.
      A reversal whose payment another day's bill has is one as well, for WeChat to be asked.
    * A payment under a second attempt agrees when its own attempt was paid: that the order was paid twice
      is an anomaly already.
    * The same number with a transaction that is not ours is a difference of its own, beside the first line.
    * A refund line agrees with ours by both numbers, its payment's and its own.
    * What is close to midnight waits for the neighbour's bill only as long as there is none to look into.
    """
    return _Comparison(day, lines, payments, refunds).result()


class _Comparison:
    """One call of `match`: its indexes, and what was found so far."""

    def __init__(
        self, day: Day, lines: Iterable[Line], payments: Iterable[OurPayment], refunds: Iterable[OurRefund]
    ) -> None:
        self._day = day
        self._payments = {payment.out_trade_no: payment for payment in payments}
        self._refunds = {(refund.tenant_id, refund.out_refund_no): refund for refund in refunds}
        self._findings: list[Finding] = []
        self._suspensions: list[Suspension] = []
        self._reversed: list[tuple[str, str]] = []
        self._paid: dict[tuple[str, str, str | None], list[Line]] = defaultdict(list)
        self._given_back: dict[tuple[str, str, str], list[Line]] = defaultdict(list)
        self._there: set[tuple[str, str]] = set()
        strange: dict[tuple[DifferenceDetail, str], Line] = {}
        for line in lines:
            detail = self._strange(line)
            if detail is not _D.OTHER_PROVIDER:
                self._there.add((line.out_trade_no, line.refund_no))
            if detail is not None:
                strange.setdefault((detail, _foreign_name(line)), line)
            elif line.tenant_id is not None:
                if line.is_refund:
                    self._given_back[line.tenant_id, line.out_trade_no, line.refund_no].append(line)
                else:
                    numberless = None if line.out_trade_no else line.transaction_id
                    self._paid[line.tenant_id, line.out_trade_no, numberless].append(line)
        for (detail, name), line in strange.items():
            self._find_strange(detail, name, line)

    def result(self) -> Matching:
        for (tenant_id, number, _), lines in self._paid.items():
            self._compare_payment(tenant_id, number, lines)
        for (tenant_id, number, refund_no), lines in self._given_back.items():
            self._compare_refund(tenant_id, number, refund_no, lines)
        for payment in self._payments.values():
            self._look_for_payment(payment)
        for refund in self._refunds.values():
            self._look_for_refund(refund)
        return Matching(tuple(self._findings), tuple(self._suspensions), tuple(self._reversed))

    def _strange(self, line: Line) -> DifferenceDetail | None:
        """Say why a line is nobody's, if it is."""
        if line.mch_id != self._day.mch_id:
            return _D.OTHER_PROVIDER
        ours = self._payments.get(line.out_trade_no)
        if ours is not None and ours.tenant_id != line.tenant_id:
            return _D.OTHER_TENANT
        return _D.UNKNOWN_SUB_MERCHANT if line.tenant_id is None else None

    def _find_strange(self, detail: DifferenceDetail, name: str, line: Line) -> None:
        ours = self._payments.get(line.out_trade_no) if detail is _D.OTHER_TENANT else None
        facts = {
            "line": line.number,
            "mch_id": line.mch_id,
            "sub_mch_id": line.sub_mch_id,
            "state": line.state,
        }
        self._find(
            detail,
            None,
            name,
            line,
            ours=ours.amount if ours and not line.is_refund else None,
            theirs=line.amount,
            order_id=ours.order_id if ours else None,
            facts=facts,
        )

    def _compare_payment(self, tenant_id: str, number: str, lines: Sequence[Line]) -> None:
        self._check_fees(lines)
        ours = self._payments.get(number)
        firsts: dict[tuple[bool, str | None], Line] = {}
        for line in lines:
            firsts.setdefault((line.is_reversal, line.transaction_id), line)
        if len(firsts) < len(lines):
            self._find_repeated(tenant_id, lines, f"payment {number or lines[0].transaction_id}")
        kept: list[Line] = []
        found_before = len(self._findings)
        for (is_reversal, transaction_id), line in firsts.items():
            if (not is_reversal, transaction_id) not in firsts:
                if is_reversal:
                    self._compare_reversal(tenant_id, number, line, ours, alone=True)
                else:
                    kept.append(line)
            elif is_reversal and ours is not None and ours.transaction_id == transaction_id:
                self._compare_reversal(tenant_id, number, line, ours, alone=False)
        if kept:
            self._compare_kept(tenant_id, number, kept, ours)
        elif len(self._findings) == found_before:
            self._there.discard((number, ""))  # came to nothing: a payment of ours is looked for as ever

    def _compare_kept(
        self, tenant_id: str, number: str, kept: Sequence[Line], ours: OurPayment | None
    ) -> None:
        """Compare the payments of a number that were not taken back, each a transaction of its own."""
        own = ours.transaction_id if ours else None
        line = next((line for line in kept if line.transaction_id == own), kept[0])
        if ours is None:
            name = number or line.transaction_id or f"line {line.number}"
            self._find(
                _D.PAYMENT_UNKNOWN, tenant_id, name, line, theirs=line.total, facts={"line": line.number}
            )
            return
        facts = {"line": line.number, "state": line.state, "status": ours.status}
        sides: dict[str, Any] = {"ours": ours.amount, "theirs": line.total, "order_id": ours.order_id}
        if ours.paid_at is None:
            self._find(_D.STATE, tenant_id, number, line, facts=facts, **sides)
            return
        self._shift(line, ours, number, ours.paid_at)
        if line.total != ours.amount or line.currency != "CNY":
            facts = {"line": line.number} | ({"currency": line.currency} if line.currency != "CNY" else {})
            self._find(_D.AMOUNT, tenant_id, number, line, facts=facts, **sides)
        for other in kept:
            if other.transaction_id != own:
                self._find(
                    _D.TRANSACTION,
                    tenant_id,
                    f"{number}/{other.transaction_id}",
                    other,
                    ours=ours.amount,
                    theirs=other.total,
                    order_id=ours.order_id,
                    facts={
                        "line": other.number,
                        "transaction_id": other.transaction_id,
                        "our_transaction_id": own,
                    },
                )

    def _compare_reversal(
        self, tenant_id: str, number: str, line: Line, ours: OurPayment | None, *, alone: bool
    ) -> None:
        """The bill takes a payment back; unless `alone`, it has the payment too, and both come to nothing."""
        paid_here = ours is not None and ours.paid_at is not None
        if not paid_here and not alone:
            return
        if ours is not None and not paid_here:
            self._reversed.append((tenant_id, number))
        self._find(
            _D.PAYMENT_UNKNOWN if ours is None else _D.STATE,
            tenant_id,
            f"reversal {number}/{line.transaction_id}",
            line,
            ours=ours.amount if ours and paid_here else None,
            theirs=line.paid if alone else 0,
            order_id=ours.order_id if ours else None,
            facts={"line": line.number, "state": line.state, "status": ours.status if ours else None},
        )

    def _compare_refund(self, tenant_id: str, number: str, refund_no: str, lines: Sequence[Line]) -> None:
        self._check_fees(lines)
        line, ours = lines[0], self._refunds.get((tenant_id, refund_no))
        if len(lines) > 1:
            self._find_repeated(tenant_id, lines, f"refund {refund_no}")
        if ours is None or ours.out_trade_no != number:
            payment = self._payments.get(number)
            self._find(
                _D.REFUND_UNKNOWN,
                tenant_id,
                refund_no,
                line,
                theirs=line.refund_applied,
                order_id=payment.order_id if payment else None,
                facts=_refund_facts(line),
            )
            return
        sides: dict[str, Any] = {
            "ours": ours.amount,
            "theirs": line.refund_applied,
            "order_id": ours.order_id,
            "refund_id": ours.id,
        }
        if line.refund_applied != ours.amount:
            self._find(_D.REFUND_AMOUNT, tenant_id, refund_no, line, facts=_refund_facts(line), **sides)
        if not _fits(line, ours):
            facts = _refund_facts(line) | {"refund_status": ours.status.value}
            self._find(_D.REFUND_STATE, tenant_id, refund_no, line, facts=facts, **sides)
        elif ours.status not in ENDED:
            self._suspend(ours, ours.accepted_at or ours.created_at)
        if ours.accepted_at is not None:
            self._shift(line, ours, refund_no, ours.accepted_at)

    def _look_for_payment(self, payment: OurPayment) -> None:
        number, at = payment.out_trade_no, payment.paid_at
        if at is None or day_of(at) != self._day.bill_date or (number, "") in self._there:
            return
        if self._is_excused("payment", number, at, payment.amount, payment):
            return
        self._findings.append(
            Finding(
                _D.PAYMENT_ABSENT,
                self._day.bill_date,
                payment.tenant_id,
                number,
                ours=payment.amount,
                out_trade_no=number,
                transaction_id=payment.transaction_id,
                order_id=payment.order_id,
                facts={"status": payment.status, "at": at.isoformat()},
            )
        )

    def _look_for_refund(self, refund: OurRefund) -> None:
        number, at = refund.out_refund_no, refund.accepted_at
        if at is None or day_of(at) != self._day.bill_date or (refund.out_trade_no, number) in self._there:
            return
        made_before = refund.created_at < midnight(self._day.bill_date)
        if self._is_excused("refund", number, at, refund.amount, refund, made_before=made_before):
            return
        self._findings.append(
            Finding(
                _D.REFUND_ABSENT,
                self._day.bill_date,
                refund.tenant_id,
                number,
                ours=refund.amount,
                out_trade_no=refund.out_trade_no,
                out_refund_no=number,
                order_id=refund.order_id,
                refund_id=refund.id,
                facts={"refund_status": refund.status.value, "at": at.isoformat()},
            )
        )

    def _is_excused(
        self,
        kind: Kind,
        number: str,
        at: datetime,
        amount: int,
        ours: OurPayment | OurRefund,
        *,
        made_before: bool = False,
    ) -> bool:
        """Whether another day's bill has it, or may have it and is not here yet."""
        day = self._day.bill_date
        if days := self._day.elsewhere.get((kind, number)):
            found_on = min(days)
            self._suspensions.append(
                _crossing(kind, number, ours, at, amount, day, found_on, ended_on=found_on)
            )
            return True
        neighbours = _neighbours(day, at, made_before=made_before)
        waits_for = [one for one in neighbours if one not in self._day.loaded]
        if waits_for:
            self._suspensions.append(_crossing(kind, number, ours, at, amount, day, max(waits_for)))
        return bool(waits_for)

    def _shift(self, line: Line, ours: OurPayment | OurRefund, number: str, at: datetime) -> None:
        """Write down that this bill has what our books have on another day, and that day's bill has not."""
        own, day = day_of(at), self._day.bill_date
        if own == day:
            return
        kind: Kind = "refund" if line.is_refund else "payment"
        if own not in self._day.elsewhere.get((kind, number), ()):
            self._suspensions.append(_crossing(kind, number, ours, at, ours.amount, own, day, ended_on=day))
            return
        self._find(
            _D.REPEATED_LINE,
            ours.tenant_id,
            f"{kind} {number}",
            line,
            ours=ours.amount,
            theirs=ours.amount + line.amount,
            order_id=ours.order_id,
            facts={"line": line.number, "lines": 2, "bill_date": own.isoformat()},
        )

    def _suspend(self, refund: OurRefund, at: datetime) -> None:
        self._suspensions.append(
            Suspension(
                "refund",
                refund.out_refund_no,
                refund.out_trade_no,
                refund.tenant_id,
                refund.order_id,
                refund.id,
                self._day.bill_date,
                self._day.bill_date + SETTLES_WITHIN,
                Suspended.REFUND_SETTLING,
                refund.amount,
                at,
            )
        )

    def _check_fees(self, lines: Sequence[Line]) -> None:
        """Report the first line of a payment or refund whose fee its own rate does not make."""
        for line in lines:
            due = fees.due(line)
            if due is None or fees.is_right(line):
                continue
            name = (
                f"refund {line.refund_no}"
                if line.is_refund
                else line.out_trade_no or str(line.transaction_id)
            )
            ours = None if line.is_refund else self._payments.get(line.out_trade_no)
            facts = {"line": line.number, "rate": line.rate, "sum": fees.base(line)}
            order_id = ours.order_id if ours else None
            self._find(
                _D.FEE, line.tenant_id, name, line, ours=due, theirs=line.fee, order_id=order_id, facts=facts
            )
            return

    def _find_repeated(self, tenant_id: str, lines: Sequence[Line], name: str) -> None:
        line = lines[0]
        ours = self._payments.get(line.out_trade_no)
        self._find(
            _D.REPEATED_LINE,
            tenant_id,
            name,
            line,
            ours=line.amount,
            theirs=sum(one.amount for one in lines),
            order_id=ours.order_id if ours else None,
            facts={"line": line.number, "lines": len(lines)},
        )

    def _find(
        self,
        detail: DifferenceDetail,
        tenant_id: str | None,
        name: str,
        line: Line,
        *,
        ours: int | None = None,
        theirs: int | None = None,
        order_id: str | None = None,
        refund_id: str | None = None,
        facts: Mapping[str, Any],
    ) -> None:
        self._findings.append(
            Finding(
                detail,
                self._day.bill_date,
                tenant_id,
                name,
                ours=ours,
                theirs=theirs,
                out_trade_no=line.out_trade_no,
                out_refund_no=line.out_refund_no if line.is_refund else None,
                transaction_id=line.transaction_id,
                order_id=order_id,
                refund_id=refund_id,
                facts=facts,
            )
        )


def _fits(line: Line, ours: OurRefund) -> bool:
    """Whether the bill's word about a refund fits our state; a bill without such a column fits all of them.

    A word that is new to us fits none, and neither does a refund that we think was never accepted.
    """
    if line.refund_state is None:
        return ours.accepted_at is not None
    return ours.status in _AGREES.get(line.refund_state, frozenset())


def _refund_facts(line: Line) -> dict[str, Any]:
    return {"line": line.number, "refund_id": line.refund_id, "refund_state": line.refund_state}


def _foreign_name(line: Line) -> str:
    """Numbers are unique within a merchant number alone."""
    number = f"refund {line.refund_no}" if line.is_refund else line.out_trade_no or line.transaction_id
    return f"{line.mch_id}/{line.sub_mch_id or ''}/{number}"


def _neighbours(day: date, at: datetime, *, made_before: bool) -> Iterator[date]:
    """Yield the days beside `day` whose bills may have what happened at `at` by our books."""
    if made_before or at - midnight(day) < NEAR_MIDNIGHT:
        yield day - DAY
    if midnight(day + DAY) - at <= NEAR_MIDNIGHT:
        yield day + DAY


def _crossing(
    kind: Kind,
    number: str,
    ours: OurPayment | OurRefund,
    at: datetime,
    amount: int,
    bill_date: date,
    until: date,
    *,
    ended_on: date | None = None,
) -> Suspension:
    return Suspension(
        kind,
        number,
        ours.out_trade_no,
        ours.tenant_id,
        ours.order_id,
        ours.id if isinstance(ours, OurRefund) else None,
        bill_date,
        until,
        Suspended.MIDNIGHT,
        amount,
        at,
        ended_on,
    )
