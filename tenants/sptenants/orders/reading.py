"""Reading JSON objects and query parameters: every fault is collected with its place, in both languages."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from spcore.errors import Fault, InvalidInput, Text
from wechatpay.identifiers import Identifier, InvalidIdentifier

MAX_LIMIT = 100
DEFAULT_LIMIT = 20

_T = TypeVar("_T")


class Reader:
    """One JSON object being read. `faults` collects what is wrong; readers return None for what is."""

    def __init__(self, document: object) -> None:
        self.faults: list[Fault] = []
        self._fields: Mapping[str, Any] = {}
        if isinstance(document, Mapping):
            self._fields = document
        else:
            self.fault("", "invalid_type", "请求体应为 JSON 对象。", "the body must be a JSON object.")

    def fault(self, name: str, code: str, zh: str, en: str) -> None:
        pointer = f"#/{name.replace('~', '~0').replace('/', '~1')}" if name else "#"
        self.faults.append(Fault(pointer, code, Text(zh, en)))

    def only(self, allowed: frozenset[str], unknown: Callable[[str], Text]) -> None:
        for name in self._fields:
            if name not in allowed:
                text = unknown(name)
                self.fault(name[:64], "unknown_field", text.zh, text.en)

    def get(self, name: str, *, required: bool = False) -> Any:
        value = self._fields.get(name)
        if value is None and required:
            self.fault(name, "missing", "必填。", "is required.")
        return value

    def text(self, name: str, pattern: re.Pattern[str], rule: Text, *, required: bool = False) -> str | None:
        value = self.get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.fault(name, "invalid_format", rule.zh, rule.en)
            return None
        return value

    def whole(self, name: str, low: int, high: int, *, required: bool = False) -> int | None:
        value = self.get(name, required=required)
        if value is None:
            return None
        if type(value) is not int:
            self.fault(
                name,
                "invalid_type",
                "必须是 JSON 整数，不能是小数、文本或布尔值。",
                "must be a JSON whole number, not a fraction, text or boolean.",
            )
            return None
        if not low <= value <= high:
            self.fault(name, "out_of_range", f"应为 {low} 到 {high}。", f"must be from {low} to {high}.")
            return None
        return value

    def identifier(self, name: str, kind: type[Identifier], rule: Text) -> Any:
        value = self.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                return kind(value)
        except InvalidIdentifier:
            pass
        self.fault(name, "invalid_format", rule.zh, rule.en)
        return None

    def done(self) -> None:
        if self.faults:
            raise InvalidInput(*self.faults)


def once(query: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the parameters of an address by name. Raises InvalidInput for what no database can be asked."""
    given: dict[str, str] = {}
    for name, value in query:
        if name in given:
            text = Text("参数重复出现。", "is given more than once.")
            raise InvalidInput(Fault(f"#/{name[:64]}", "duplicate", text))
        if "\0" in value:
            text = Text("含有空字符（NUL），请去掉。", "holds a NUL character; leave it out.")
            raise InvalidInput(Fault(f"#/{name[:64]}", "invalid_format", text))
        given[name] = value
    return given


def limit_of(reader: Reader) -> int:
    """Read `limit`, the size of a page."""
    return digits(reader, "limit", 1, MAX_LIMIT) or DEFAULT_LIMIT


def digits(reader: Reader, name: str, low: int, high: int) -> int | None:
    """Read a small whole number of an address; None when it is missing or wrong."""
    given = reader.get(name)
    if given is None:
        return None
    if re.fullmatch(r"[0-9]{1,4}", given) is None or not low <= int(given) <= high:
        reader.fault(name, "out_of_range", f"应为 {low} 到 {high}。", f"must be from {low} to {high}.")
        return None
    return int(given)


def moment_of(reader: Reader, name: str) -> datetime | None:
    """Read an RFC 3339 time with its zone; None when it is missing or wrong."""
    given = reader.get(name)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        reader.fault(
            name,
            "invalid_format",
            "应为带时区的时间，如 2026-11-21T00:00:00+08:00（+ 在地址中写作 %2B）。",
            "must be a time with its zone, such as 2026-11-21T00:00:00+08:00 (+ is %2B in an address).",
        )
        return None
    return at


def unknown_field(_name: str) -> Text:
    """Say that a body has a field it cannot have."""
    return Text("未知字段，请去掉。", "is not a field of this request; leave it out.")


def unknown_parameter(_name: str) -> Text:
    """Say that an address has a parameter it cannot have."""
    return Text("未知查询参数，请去掉。", "is not a parameter of this address; leave it out.")


def present(value: _T | None) -> _T:
    """Return a value that a required field must have given."""
    if value is None:
        raise ValueError("a required field was neither given nor reported")
    return value
