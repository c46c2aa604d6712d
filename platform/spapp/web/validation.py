"""Turning the framework's validation errors into our own refusal: field, cause, and both languages.

Values are not repeated: what a caller got wrong may be a secret in the wrong field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from litestar.exceptions import ValidationException

from spcore.errors import DomainError, Fault, InvalidInput, NotFound, Text

_TYPES = {
    "int": "整数",
    "str": "字符串",
    "bool": "true 或 false",
    "float": "数字",
    "object": "JSON 对象",
    "array": "JSON 数组",
    "null": "null",
}

_Reader = Callable[[re.Match[str]], tuple[str, str, Text]]
"""Returns the name of a field inside the message (or empty), a code and the text."""

_MESSAGES: tuple[tuple[re.Pattern[str], _Reader], ...] = (
    (
        re.compile(r"Object contains unknown field `([^`]*)`"),
        lambda m: (
            m[1],
            "unknown_field",
            Text("不认识这个字段，请去掉。", "is not a field here; leave it out."),
        ),
    ),
    (
        re.compile(r"Object missing required field `([^`]*)`"),
        lambda m: (m[1], "missing", Text("缺少必填字段。", "is required.")),
    ),
    (
        re.compile(r"Expected `([^`]*)`, got `([^`]*)`"),
        lambda m: ("", "wrong_type", Text(f"应为{_type(m[1])}。", f"must be {m[1].replace('|', 'or')}.")),
    ),
    (
        re.compile(r"Expected `(?:str|array|bytes)` of length (<=|>=|==) (\d+)"),
        lambda m: ("", "wrong_length", Text(f"长度应 {m[1]} {m[2]}。", f"must have a length {m[1]} {m[2]}.")),
    ),
    (
        re.compile(r"Expected `(?:int|float)` (<=|>=|<|>) (-?\d+)"),
        lambda m: ("", "out_of_range", Text(f"应 {m[1]} {m[2]}。", f"must be {m[1]} {m[2]}.")),
    ),
    (
        re.compile(r"Expected `str` matching regex"),
        lambda _m: ("", "invalid_format", Text("格式不正确。", "has the wrong form.")),
    ),
    (
        re.compile(r"Invalid enum value"),
        lambda _m: ("", "not_allowed", Text("不是允许的取值。", "is not one of the allowed values.")),
    ),
    (
        re.compile(r"Missing required (\w+) parameter '([^']*)'"),
        lambda m: (m[2], "missing", Text("缺少必填参数。", "is required.")),
    ),
)
_UNCLEAR = Text("不符合要求。", "is not acceptable.")


def as_refusal(error: ValidationException) -> DomainError:
    """Return InvalidInput with a fault for each message; NotFound when it was the path that did not fit."""
    raw = error.extra if isinstance(error.extra, list) else []
    entries: list[Mapping[str, Any]] = [entry for entry in raw if isinstance(entry, Mapping)]
    if any(entry.get("source") == "path" for entry in entries):
        return NotFound()
    return InvalidInput(*(_fault(entry) for entry in entries or [{"message": error.detail}]))


def _fault(entry: Mapping[str, Any]) -> Fault:
    message = str(entry.get("message", ""))
    field, code, text = "", "invalid", _UNCLEAR
    for pattern, read in _MESSAGES:
        if match := pattern.search(message):
            field, code, text = read(match)
            break
    at = re.search(r"at `\$\.?([^`]*)`", message)
    inside = at[1] if at and at[1] else str(entry.get("key") or "")
    path = [part for part in re.split(r"[.\[\]]+", inside) if part]
    if entry.get("source") == "body" and path[:1] == ["data"]:
        del path[0]  # what handlers call the body
    if field and path[-1:] != [field]:
        path.append(field)
    return Fault("#/" + "/".join(path), code, text)


def _type(names: str) -> str:
    return "或".join(_TYPES.get(name.strip(), name.strip()) for name in names.split("|"))
