"""Money as WeChat Pay counts it: whole fen."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_AMOUNT = 999_999_999
"""Fen: the largest amount of one order."""

_AMOUNT = re.compile(r"[1-9][0-9]{0,8}")
_YUAN = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,2}))?")


class InvalidAmount(ValueError):
    """A text or number that is not an amount of money; the message names the accepted form."""


@dataclass(frozen=True, slots=True, order=True)
class Fen:
    """An amount in fen, the unit of every WeChat Pay amount (1 yuan = 100 fen). Never negative.

    Raises InvalidAmount when made from anything but a whole number of at least zero.
    """

    value: int

    def __post_init__(self) -> None:
        # bool is an int to isinstance; True fen is always a bug.
        if type(self.value) is not int or self.value < 0:
            raise InvalidAmount("an amount is a whole number of fen, not below zero")

    @classmethod
    def parse(cls, text: str) -> Fen:
        """Read a payable amount in fen: 1 to 999 999 999, ASCII digits, no sign, no leading zero.

        The text is checked before `int()`, which would take "１００", "1_000", " 10 " and "+10".
        Raises InvalidAmount. Source: failure catalogue M1.
        """
        if _AMOUNT.fullmatch(text) is None:
            raise InvalidAmount("an amount is written as 1 to 9 digits of fen without leading zero")
        return cls(int(text))

    @classmethod
    def from_wire(cls, text: str) -> Fen:
        """Read an amount of a WeChat message, where "0" is possible (a coupon may pay everything).

        Raises InvalidAmount. Source: wechatpay-v2 1.8.
        """
        return cls(0) if text == "0" else cls.parse(text)

    @classmethod
    def from_yuan(cls, text: str) -> Fen:
        """Read yuan as people and bills write them: "12", "12.3", "12.34", "0.00".

        Raises InvalidAmount, also for anything finer than a fen.
        """
        # Not Decimal(): it would take "NaN", and "1e400000" would keep us busy for seconds.
        parts = _YUAN.fullmatch(text)
        if parts is None:
            raise InvalidAmount("an amount in yuan is written as digits with at most two decimals")
        return cls(int(parts[1]) * 100 + int((parts[2] or "0").ljust(2, "0")))

    @property
    def yuan(self) -> str:
        """The amount in yuan with two decimals: "1234.50"."""
        return f"{self.value // 100}.{self.value % 100:02d}"

    def __add__(self, other: Fen) -> Fen:
        return Fen(self.value + other.value)

    def __sub__(self, other: Fen) -> Fen:
        """Raises InvalidAmount when the result would be below zero: it is always a bug."""
        return Fen(self.value - other.value)
