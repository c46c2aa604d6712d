"""The lines of bills: how the values of one are taken apart, by the header of its file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias

from wechatpay.bill_layouts import BadValue, Layout, count, fen, masked, millifen, moment, moved, rate
from wechatpay.bills import BillKind, FundLine, FundSummary, TradeLine, TradeSummary

TICK = "`"
_BETWEEN = ",`"
_NOTHING = ("", "0")
"""How a bill writes an id that is not there. The two also stand in for columns that a layout has not."""
_AMOUNTS = frozenset({"refund_amount", "refund_applied"})

LineMaker: TypeAlias = Callable[[int, str], TradeLine | FundLine]
"""Makes a data line of its number and its text. Raises BadValue."""


def values_of(line: str) -> list[str]:
    """The values of a line that begins with a back-tick."""
    return line[1:].split(_BETWEEN)


def summary_of(
    kind: BillKind, layout: Layout, names: tuple[str, ...], line: str
) -> TradeSummary | FundSummary:
    """Read the summary's values; `names` are those of its header. Raises BadValue."""
    values = values_of(line)
    if line[:1] != TICK or len(values) != len(names):
        raise BadValue("the summary has not a value for each of its columns")
    told = dict(zip(names, values, strict=True))
    found = {
        field: next((told[name] for name in named if name in told), None)
        for field, named in layout.summary.items()
    }
    if kind is BillKind.TRADE:
        return TradeSummary(
            lines=count(found["lines"] or ""),
            settled=_told(found["settled"]),
            refunded=_told(found["refunded"]),
            fee=None if found["fee"] is None else millifen(found["fee"]),
            total=_told(found["total"]),
            refund_applied=_told(found["refund_applied"]),
        )
    missing = [layout.summary[field][0] for field, value in found.items() if value is None]
    if missing:
        raise BadValue(f"the summary has no column {missing[0]}")
    return FundSummary(
        lines=count(found["lines"] or ""),
        income_lines=count(found["income_lines"] or ""),
        income=fen(found["income"] or ""),
        expense_lines=count(found["expense_lines"] or ""),
        expense=fen(found["expense"] or ""),
    )


def _told(text: str | None) -> int | None:
    return None if text is None else fen(text)


@dataclass(frozen=True, slots=True)
class _Columns:
    """How the values of a data line are taken apart, made once for a file."""

    width: int
    fields: Callable[[list[str]], tuple[str, ...]]
    """The values of the fields, in the fields' order; what the layout has not stands as _NOTHING."""
    extra_names: tuple[str, ...]
    rest: Callable[[list[str]], tuple[str, ...]]
    free_at: int | None

    def mended(self, values: list[str]) -> list[str]:
        """Give the surplus to the text that may hold anything: all other columns keep their places, counted
        from their end of the line, so that nobody shifts a value into another column."""
        surplus = len(values) - self.width
        if surplus < 0 or self.free_at is None:
            raise BadValue("a line has not a value for each column")
        end = self.free_at + surplus + 1
        return [*values[: self.free_at], _BETWEEN.join(values[self.free_at : end]), *values[end:]]


def _columns(layout: Layout, names: Sequence[str]) -> _Columns:
    places = {name: at for at, name in enumerate(names)}
    width = len(names)
    found = {field: _place(places, named) for field, named in {**layout.needed, **layout.optional}.items()}
    for field, named in layout.needed.items():
        if found[field] is None:
            raise BadValue(f"the header has no column {named[0]}")
    for field, needed in layout.companions.items():
        if found[field] is not None and found[needed] is None:
            raise BadValue(f"the header has no column {layout.optional[needed][0]}")
    taken = [width + (field in _AMOUNTS) if at is None else at for field, at in found.items()]
    rest = [at for at in range(width) if at not in taken]
    return _Columns(
        width,
        _picking(taken),
        tuple(names[at] for at in rest),
        _picking(rest),
        places.get(layout.free_text),
    )


def _place(places: Mapping[str, int], named: Sequence[str]) -> int | None:
    return next((places[name] for name in named if name in places), None)


def _picking(places: Sequence[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """What takes the values at these places: itemgetter alone gives no tuple for fewer than two."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple(values[at] for at in places)


def _trade_maker(layout: Layout, names: Sequence[str]) -> LineMaker:
    columns = _columns(layout, names)
    width, fields, extra_names, rest = columns.width, columns.fields, columns.extra_names, columns.rest

    def make(number: int, line: str) -> TradeLine:
        values = line[1:].split(_BETWEEN)
        if len(values) != width:
            values = columns.mended(values)
        values += _NOTHING
        (
            at,
            mch_id,
            sub_mch_id,
            appid,
            transaction_id,
            out_trade_no,
            payer,
            trade_type,
            state,
            currency,
            total,
            settled,
            fee,
            told_rate,
            refund_id,
            out_refund_no,
            refund_amount,
            refund_applied,
            refund_state,
            description,
        ) = fields(values)
        return TradeLine(
            number,
            moment(at),
            mch_id,
            None if sub_mch_id in _NOTHING else sub_mch_id,
            appid,
            None if transaction_id in _NOTHING else transaction_id,
            None if out_trade_no in _NOTHING else out_trade_no,
            masked(payer),
            trade_type,
            state,
            currency,
            fen(total),
            fen(settled),
            None if refund_id in _NOTHING else refund_id,
            None if out_refund_no in _NOTHING else out_refund_no,
            fen(refund_amount),
            fen(refund_applied),
            refund_state or None,
            millifen(fee),
            rate(told_rate),
            description,
            dict(zip(extra_names, rest(values), strict=True)),
        )

    return make


def _fund_maker(layout: Layout, names: Sequence[str]) -> LineMaker:
    columns = _columns(layout, names)

    def make(number: int, line: str) -> FundLine:
        values = line[1:].split(_BETWEEN)
        if len(values) != columns.width:
            values = columns.mended(values)
        values += _NOTHING
        at, business_no, flow_no, name, kind, way, amount, balance, applicant, note, voucher = columns.fields(
            values
        )
        return FundLine(
            number,
            moment(at),
            business_no,
            flow_no,
            name,
            kind,
            moved(way, amount),
            fen(balance),
            applicant,
            note,
            voucher,
            dict(zip(columns.extra_names, columns.rest(values), strict=True)),
        )

    return make


MAKERS: Mapping[BillKind, Callable[[Layout, Sequence[str]], LineMaker]] = {
    BillKind.TRADE: _trade_maker,
    BillKind.FUND: _fund_maker,
}
"""What makes the lines of a file with a header of these names. Raises BadValue for one without a column that
we need."""
