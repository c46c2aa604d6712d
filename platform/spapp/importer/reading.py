"""Reading a JSON document strictly, with the place of everything that is wrong.

Whatever a field should have been, reading goes on with an empty value, so that one run finds every fault.
The faults name places, never values: a value may be a secret in the wrong field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

from spcore.errors import Fault, InvalidInput, Text

MAX_BYTES = 16 * 1024 * 1024
_SURROGATE = re.compile("[\ud800-\udfff]")
_NOTHING = object()

Choice = TypeVar("Choice", bound=StrEnum)
Check = Callable[[str, str], Sequence[Fault]]
"""Takes a text and its pointer, returns what is wrong with it."""


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names came more than once."""

    repeated: tuple[str, ...] = ()


def parse(document: bytes) -> Any:
    """Return the JSON value of `document`. Raises InvalidInput for what is not one strict JSON document.

    A byte order mark at the beginning is allowed, because editors on Windows write one.
    """
    if len(document) > MAX_BYTES:
        raise _unreadable("文件超过 16 MiB。", "The file is larger than 16 MiB.")
    try:
        return json.loads(
            document.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise _unreadable("文件不是 UTF-8 编码。", "The file is not UTF-8.") from None
    except RecursionError:
        raise _unreadable("嵌套过深。", "The file is nested too deeply.") from None
    except json.JSONDecodeError as error:
        where = f"{error.lineno}:{error.colno}"
    except ValueError:
        where = "?"  # a number of thousands of digits
    raise _unreadable(f"第 {where} 处不是有效的 JSON。", f"Not valid JSON at line:column {where}.")


class Place:
    """A value of the document, where it stands, and the list in which faults are collected."""

    def __init__(self, value: Any, pointer: str, faults: list[Fault]) -> None:
        self.value = value
        self.pointer = pointer
        self.faults = faults

    def fields(self, *known: str) -> Fields:
        """Read the value as an object that may have these fields and no others."""
        return Fields(self, known)

    def wrong(self, code: str, text: Text) -> None:
        self.faults.append(Fault(self.pointer, code, text))


class Fields:
    """The fields of one object."""

    def __init__(self, place: Place, known: Sequence[str]) -> None:
        self.pointer = place.pointer
        self.faults = place.faults
        self._values: dict[str, Any] = {}
        if not isinstance(place.value, _Object):
            place.wrong("wrong_type", _type("一个对象 {…}", "an object {…}"))
            return
        self._values = place.value
        for name in place.value.repeated:
            self._at(name).wrong("duplicate_field", _REPEATED)
        for name in place.value:
            if name not in known:
                self._at(name).wrong("unknown_field", _unknown(known))

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, check: Check | None = None) -> str:
        """Return a text that must be there, empty when it is not."""
        return self._text(name, check, self._needed(name)) or ""

    def optional_text(self, name: str, check: Check | None = None) -> str | None:
        """Return a text that may be left out or null."""
        return self._text(name, check, self._values.get(name))

    def integer(self, name: str, lowest: int, highest: int) -> int:
        """Return a whole number that must be there, `lowest` when it is not."""
        return self._integer(name, lowest, highest, self._needed(name)) or lowest

    def optional_integer(self, name: str, lowest: int, highest: int) -> int | None:
        return self._integer(name, lowest, highest, self._values.get(name))

    def flag(self, name: str, default: bool) -> bool:
        given = self.optional_flag(name)
        return default if given is None else given

    def optional_flag(self, name: str) -> bool | None:
        value = self._values.get(name)
        if value is None or isinstance(value, bool):
            return value
        self._at(name).wrong("wrong_type", _type("true 或 false", "true or false"))
        return None

    def choice(self, name: str, values: type[Choice]) -> Choice:
        """Return one of `values` that must be there, the first one when it is not."""
        return self._choice(name, values, self._needed(name)) or next(iter(values))

    def optional_choice(self, name: str, values: type[Choice]) -> Choice | None:
        return self._choice(name, values, self._values.get(name))

    def items(self, name: str) -> list[Place]:
        """Return the members of an array that may be left out."""
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._at(name).wrong("wrong_type", _type("一个数组 […]", "an array […]"))
            return []
        at = self._at(name).pointer
        return [Place(item, f"{at}/{number}", self.faults) for number, item in enumerate(value)]

    def inner(self, name: str) -> Place | None:
        """Return an object inside this one that may be left out."""
        return self._at(name) if name in self else None

    def wrong(self, name: str, code: str, text: Text) -> None:
        self._at(name).wrong(code, text)

    def _at(self, name: str) -> Place:
        escaped = name.replace("~", "~0").replace("/", "~1")
        return Place(self._values.get(name), f"{self.pointer}/{escaped}", self.faults)

    def _needed(self, name: str) -> Any:
        value = self._values.get(name, _NOTHING)
        if value is _NOTHING:
            self._at(name).wrong("missing", _MISSING)
            return None
        if value is None:
            self._at(name).wrong("wrong_type", Text("不能为 null。", "must not be null."))
        return value

    def _text(self, name: str, check: Check | None, value: Any) -> str | None:
        if value is None:
            return None
        at = self._at(name)
        if not isinstance(value, str):
            at.wrong("wrong_type", _type("字符串", "a string"))
            return None
        if _SURROGATE.search(value):
            at.wrong("invalid_text", _HALF)
            return None
        if check is not None:
            self.faults.extend(check(value, at.pointer))
        return value

    def _integer(self, name: str, lowest: int, highest: int, value: Any) -> int | None:
        if value is None:
            return None
        # True is an int to isinstance, and 1.0 equals 1: neither is a whole number somebody wrote (O02).
        if type(value) is not int:
            self._at(name).wrong("wrong_type", _type("整数", "a whole number"))
            return None
        if not lowest <= value <= highest:
            text = Text(
                f"须为 {lowest} 到 {highest} 的整数。", f"must be a whole number {lowest} to {highest}."
            )
            self._at(name).wrong("out_of_range", text)
            return None
        return value

    def _choice(self, name: str, values: type[Choice], value: Any) -> Choice | None:
        given = self._text(name, None, value)
        if given is None:
            return None
        if given not in set(values):
            text = Text(f"须为以下之一：{'、'.join(values)}。", f"must be one of: {', '.join(values)}.")
            self._at(name).wrong("unknown_value", text)
            return None
        return values(given)


def refuse_repeats(entries: Sequence[tuple[tuple[str, ...], Fields, str]]) -> None:
    """Fault every entry `(key, fields, name of the field that is at fault)` whose key came before.

    Keys are tuples; one with an empty part is a fault already and repeats nothing.
    """
    seen: set[tuple[str, ...]] = set()
    for key, fields, name in entries:
        if key in seen and all(key):
            fields.wrong(name, "duplicate", _TWICE)
        seen.add(key)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        made.repeated = tuple(sorted({name for name in names if names.count(name) > 1}))
    return made


def _no_constant(_name: str) -> NoReturn:
    raise _unreadable(
        "含有 NaN 或 Infinity，JSON 不允许。", "The file holds NaN or Infinity, which JSON does not have."
    )


def _unreadable(zh: str, en: str) -> InvalidInput:
    return InvalidInput(Fault("#", "malformed_json", Text(zh, en)))


def _type(zh: str, en: str) -> Text:
    return Text(f"须为{zh}。", f"must be {en}.")


def _unknown(known: Sequence[str]) -> Text:
    return Text(
        f"没有这个字段，请检查拼写；可用：{'、'.join(known)}。",
        f"is no field here; check the spelling. There are: {', '.join(known)}.",
    )


_MISSING = Text("缺少该字段。", "is missing.")
_REPEATED = Text("同一对象内出现了多次，请只保留一个。", "comes more than once in one object; keep one.")
_TWICE = Text("与前面的一项重复，请合并或删除。", "repeats an entry before it; merge or remove it.")
_HALF = Text("含有不完整的字符。", "holds half a character (a lone surrogate).")
