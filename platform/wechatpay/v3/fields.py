"""Typed reading of a document of API v3, strict in form and tolerant of absence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from wechatpay.errors import BadField
from wechatpay.gateway import TradeType
from wechatpay.identifiers import Identifier, InvalidIdentifier
from wechatpay.money import MAX_AMOUNT, Fen
from wechatpay.refunds import RefundStatus

_WORD = re.compile(r"[A-Za-z0-9_]{1,32}")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
_REFUND_STATUSES = {
    "PROCESSING": RefundStatus.PROCESSING,
    "SUCCESS": RefundStatus.SUCCESS,
    "CLOSED": RefundStatus.REFUNDCLOSE,
    # One old table writes it so (wechatpay-v3 11).
    "CLOSE": RefundStatus.REFUNDCLOSE,
    "ABNORMAL": RefundStatus.CHANGE,
}

_I = TypeVar("_I", bound=Identifier)
_T = TypeVar("_T")


class Fields:
    """One object of a document, read field by field. An empty text counts as absent.

    Every reader returns None for a field that is absent and raises BadField, with the field's whole name,
    for one that is not in its form.
    """

    def __init__(self, values: Mapping[str, Any], within: str = "") -> None:
        self._values = values
        self._within = within

    def section(self, name: str) -> Fields:
        """The object under `name`; an empty one when it is absent."""
        value = self._values.get(name, {})
        if not isinstance(value, dict):
            raise self.bad(name)
        return Fields(value, f"{self._within}{name}.")

    def sections(self, name: str) -> tuple[Fields, ...]:
        """The objects of the list under `name`."""
        values = self._values.get(name, [])
        if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
            raise self.bad(name)
        return tuple(Fields(value, f"{self._within}{name}.") for value in values)

    def text(self, name: str) -> str | None:
        """A text as it came."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.bad(name)
        return value or None

    def word(self, name: str) -> str | None:
        """A code such as `CMB_DEBIT`: 1 to 32 letters, digits or _."""
        value = self.text(name)
        if value is not None and _WORD.fullmatch(value) is None:
            raise self.bad(name)
        return value

    def identifier(self, name: str, kind: type[_I]) -> _I | None:
        """An identifier of the given type."""
        value = self.text(name)
        try:
            return None if value is None else kind(value)
        except InvalidIdentifier:
            raise self.bad(name) from None

    def need(self, name: str, kind: type[_I]) -> _I:
        """An identifier that must be there."""
        return self.required(name, lambda field: self.identifier(field, kind))

    def required(self, name: str, read: Callable[[str], _T | None]) -> _T:
        """What one of the other readers finds, which must be something."""
        found = read(name)
        if found is None:
            raise self.bad(name)
        return found

    def fen(self, name: str) -> Fen | None:
        """An amount: a whole JSON number, 0 included. True, "100" and 1.0 are none."""
        value = self._values.get(name)
        if value is None:
            return None
        if type(value) is not int or not 0 <= value <= MAX_AMOUNT:
            raise self.bad(name)
        return Fen(value)

    def number(self, name: str) -> int | None:
        """A whole number, 0 or more, that is no amount."""
        value = self._values.get(name)
        if value is not None and (type(value) is not int or value < 0):
            raise self.bad(name)
        return value

    def moment(self, name: str) -> datetime | None:
        """A time of RFC 3339 with its offset, as UTC."""
        value = self.text(name)
        if value is None:
            return None
        if _MOMENT.fullmatch(value) is None:
            raise self.bad(name)
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.bad(name) from None

    def trade_type(self, name: str) -> TradeType | None:
        """A trade type we know."""
        value = self.text(name)
        try:
            return None if value is None else TradeType.from_wire(value)
        except ValueError:
            raise self.bad(name) from None

    def refund_status(self, name: str) -> RefundStatus | None:
        """A refund's state, in the words of the port."""
        value = self.text(name)
        if value is None:
            return None
        if value not in _REFUND_STATUSES:
            raise self.bad(name)
        return _REFUND_STATUSES[value]

    def bad(self, name: str) -> BadField:
        """What to raise for `name`."""
        return BadField(self._within + name)
