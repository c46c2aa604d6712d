"""Typed reading of the text fields of a v2 message, strict in form (C6 e) and tolerant of absence."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeVar

from wechatpay.errors import BadField
from wechatpay.gateway import TradeType
from wechatpay.identifiers import Identifier, InvalidIdentifier
from wechatpay.money import Fen, InvalidAmount

CHINA = timezone(timedelta(hours=8))
"""The zone of every time text of WeChat (wechatpay-v2 1.8). China has no summer time."""

_TIME = re.compile(r"[0-9]{14}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_COUNT = re.compile(r"0|[1-9][0-9]{0,3}")
_WORD = re.compile(r"[A-Za-z0-9_]{1,32}")

_I = TypeVar("_I", bound=Identifier)
_T = TypeVar("_T")


class Fields:
    """A parsed message, read field by field. Empty counts as absent, as in the signature."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        """The value as it came, or ""."""
        return self._values.get(name, "")

    def word(self, name: str) -> str | None:
        """A code such as `CMB_DEBIT`: 1 to 32 letters, digits or _. Raises BadField."""
        value = self.text(name)
        if value and _WORD.fullmatch(value) is None:
            raise BadField(name)
        return value or None

    def identifier(self, name: str, kind: type[_I]) -> _I | None:
        """An identifier of the given type. Raises BadField when present and malformed."""
        value = self.text(name)
        try:
            return kind(value) if value else None
        except InvalidIdentifier:
            raise BadField(name) from None

    def need(self, name: str, kind: type[_I]) -> _I:
        """An identifier that must be there. Raises BadField."""
        found = self.identifier(name, kind)
        if found is None:
            raise BadField(name)
        return found

    def required(self, name: str, read: Callable[[str], _T | None]) -> _T:
        """What one of the other readers finds, which must be something. Raises BadField."""
        found = read(name)
        if found is None:
            raise BadField(name)
        return found

    def trade_type(self, name: str) -> TradeType | None:
        """A trade type we know. Raises BadField for another."""
        value = self.text(name)
        try:
            return TradeType.from_wire(value) if value else None
        except ValueError:
            raise BadField(name) from None

    def fen(self, name: str) -> Fen | None:
        """An amount, "0" included. Raises BadField when present and malformed."""
        value = self.text(name)
        try:
            return Fen.from_wire(value) if value else None
        except InvalidAmount:
            raise BadField(name) from None

    def time(self, name: str) -> datetime | None:
        """A `yyyyMMddHHmmss` of UTC+8, as UTC. Raises BadField when present and malformed."""
        return self._time(name, _TIME, "%Y%m%d%H%M%S")

    def moment(self, name: str) -> datetime | None:
        """A `yyyy-MM-dd HH:mm:ss` of UTC+8, as UTC; refunds use it. Raises BadField likewise."""
        return self._time(name, _MOMENT, "%Y-%m-%d %H:%M:%S")

    def count(self, name: str) -> int | None:
        """A whole number from 0 to 9999. Raises BadField when present and malformed."""
        value = self.text(name)
        if value and _COUNT.fullmatch(value) is None:
            raise BadField(name)
        return int(value) if value else None

    def _time(self, name: str, form: re.Pattern[str], layout: str) -> datetime | None:
        value = self.text(name)
        if not value:
            return None
        # strptime alone takes blanks and fewer digits.
        if form.fullmatch(value) is None:
            raise BadField(name)
        try:
            return datetime.strptime(value, layout).replace(tzinfo=CHINA).astimezone(UTC)
        except ValueError:
            raise BadField(name) from None


def wire_time(moment: datetime) -> str:
    """An aware time as WeChat writes it: `yyyyMMddHHmmss` in UTC+8, without zone."""
    return moment.astimezone(CHINA).strftime("%Y%m%d%H%M%S")
