"""One endpoint of API v3 declared: method, path, what its query and body may hold, and the rule behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from spsim.registry import ApiCertificate, Provider
from spsim.transport import Reply
from spsim.world import World

from .failures import BODY, QUERY, URL, wrong_parameter

Document = dict[str, object]
_PLACE: Final = re.compile(r"\{([a-z_]+)\}")


@dataclass(frozen=True, slots=True)
class Text:
    """A text of `least` to `most` characters (or UTF-8 bytes); a `sealed` one comes RSA-encrypted."""

    most: int
    least: int = 1
    required: bool = False
    pattern: re.Pattern[str] | None = None
    choices: tuple[str, ...] = ()
    in_bytes: bool = False
    sealed: bool = False


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, never a text or a fraction."""

    least: int
    most: int = 9_999_999_999
    required: bool = False


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    required: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list whose entries are all of one kind."""

    of: Schema
    most: int
    least: int = 1
    required: bool = False


@dataclass(frozen=True, slots=True)
class Object:
    """An object that has these fields and no others."""

    fields: Mapping[str, Schema]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """A value that is not looked at, of a product that nobody here has."""

    required: bool = False


Schema = Text | Whole | Flag | Items | Object | Anything


@dataclass(frozen=True, slots=True)
class Request:
    """A call that passed every check up to its schema.

    `certificate` is the API certificate that it was signed with, `wechatpay_serial` the key of WeChat that it
    names, `opened` the plain texts of sealed fields by their JSON pointer, `origin` the scheme and host that
    the caller used.
    """

    endpoint: Endpoint
    provider: Provider
    certificate: ApiCertificate
    wechatpay_serial: str | None
    path: dict[str, str]
    query: dict[str, str]
    body: Document
    origin: str
    opened: dict[str, str] = field(default_factory=dict, repr=False)

    def value(self, pointer: str) -> object:
        """Return a value of the body by JSON pointer ("/amount/total"), None when absent."""
        found: object = self.body
        for name in pointer.strip("/").split("/"):
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def text(self, pointer: str) -> str:
        """Return a text of the body, "" when absent."""
        found = self.value(pointer)
        return found if isinstance(found, str) else ""

    def number(self, pointer: str) -> int:
        """Return a whole number of the body, 0 when absent."""
        found = self.value(pointer)
        return found if isinstance(found, int) else 0

    def named(self, name: str) -> str:
        """Return a text that stands in the path, the query or the body's first level; "" when absent."""
        return self.path.get(name) or self.query.get(name) or self.text(f"/{name}")


Rule = Callable[[World, Request], Document | Reply | None]
"""Does what was asked for; raises Failed. A document is answered signed, None as a signed 204, a reply as it
is."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path template with its schemas and its rule.

    `body` None: no body is read. `caller` is the parameter that repeats the number of the Authorization,
    `partner` whether the path is for service providers (True), plain merchants (False) or both (None).
    `agent`: the gateway refuses a call without User-Agent (all but the payment paths).
    """

    method: str
    template: str
    rule: Rule
    body: Object | Anything | None = None
    query: Mapping[str, Text] = field(default_factory=dict)
    path: Mapping[str, Text] = field(default_factory=dict)
    caller: str | None = None
    partner: bool | None = None
    agent: bool = True

    def match(self, raw_path: str) -> dict[str, str] | None:
        """Return the path's parameters when the template is this one's, None when it is not.

        `raw_path` is as sent: every parameter is decoded by itself.
        """
        wanted, given = self.template.split("/"), raw_path.split("/")
        if len(wanted) != len(given):
            return None
        found: dict[str, str] = {}
        for pattern, part in zip(wanted, given, strict=True):
            place = _PLACE.fullmatch(pattern)
            if place is not None:
                found[place[1]] = unquote(part)
            elif pattern != part:
                return None
        return found


def check_names(schema: Mapping[str, Text], given: dict[str, str], location: str) -> None:
    """Check the parameters of a path or query; raises Failed."""
    for name, value in given.items():
        if name not in schema:
            raise wrong_parameter(name, value, "未知的参数", location)
    for name, rule in schema.items():
        if name in given:
            _check_text(rule, given[name], name, location)
        elif rule.required:
            raise wrong_parameter(name, "", "缺少参数", location)


def check_query(endpoint: Endpoint, given: dict[str, str]) -> None:
    """Check a query string's parameters; raises Failed."""
    check_names(endpoint.query, given, QUERY)


def check_path(endpoint: Endpoint, given: dict[str, str]) -> None:
    """Check a path's parameters; raises Failed."""
    check_names(endpoint.path, given, URL)


def check_body(schema: Schema, value: object, pointer: str = "") -> None:
    """Check a body against its schema: unknown keys, missing keys, kinds, lengths; raises Failed."""
    if value is None:
        raise wrong_parameter(pointer, None, "不允许为null")
    match schema:
        case Anything():
            return
        case Text():
            _check_text(schema, value, pointer, BODY)
        case Whole():
            if type(value) is not int:
                raise wrong_parameter(pointer, value, "必须为整数")
            if not schema.least <= value <= schema.most:
                raise wrong_parameter(pointer, value, f"必须在{schema.least}到{schema.most}之间")
        case Flag():
            if type(value) is not bool:
                raise wrong_parameter(pointer, value, "必须为true或false")
        case Items():
            _check_items(schema, value, pointer)
        case Object():
            _check_object(schema, value, pointer)


def sealed_fields(schema: Schema, value: object, pointer: str = "") -> dict[str, str]:
    """Return the encrypted texts of a checked body by their JSON pointer."""
    if isinstance(schema, Text) and schema.sealed and isinstance(value, str):
        return {pointer: value}
    found: dict[str, str] = {}
    if isinstance(schema, Object) and isinstance(value, dict):
        for name, rule in schema.fields.items():
            found |= sealed_fields(rule, value.get(name), f"{pointer}/{name}")
    if isinstance(schema, Items) and isinstance(value, list):
        for index, item in enumerate(value):
            found |= sealed_fields(schema.of, item, f"{pointer}/{index}")
    return found


def _check_text(rule: Text, value: object, pointer: str, location: str) -> None:
    if not isinstance(value, str):
        raise wrong_parameter(pointer, value, "必须为字符串", location)
    length = len(value.encode()) if rule.in_bytes else len(value)
    if not rule.least <= length <= rule.most:
        unit = "字节" if rule.in_bytes else "字符"
        issue = f"长度{length}，必须为{rule.least}到{rule.most}{unit}"
        raise wrong_parameter(pointer, value[:64], issue, location)
    if any(ord(character) > 0xFFFF for character in value):
        raise wrong_parameter(pointer, value, "不支持四字节字符", location)
    if rule.pattern is not None and not rule.pattern.fullmatch(value):
        raise wrong_parameter(pointer, value, "格式不正确", location)
    if rule.choices and value not in rule.choices:
        raise wrong_parameter(pointer, value, f"只能为{'、'.join(rule.choices)}", location)


def _check_items(schema: Items, value: object, pointer: str) -> None:
    if not isinstance(value, list):
        raise wrong_parameter(pointer, value, "必须为数组")
    if not schema.least <= len(value) <= schema.most:
        raise wrong_parameter(pointer, len(value), f"必须有{schema.least}到{schema.most}项")
    for index, item in enumerate(value):
        check_body(schema.of, item, f"{pointer}/{index}")


def _check_object(schema: Object, value: object, pointer: str) -> None:
    if not isinstance(value, dict):
        raise wrong_parameter(pointer or "/", value, "必须为对象")
    for name in value:
        if name not in schema.fields:
            raise wrong_parameter(f"{pointer}/{name}", value[name], "未知的参数")
    for name, rule in schema.fields.items():
        if name in value:
            check_body(rule, value[name], f"{pointer}/{name}")
        elif rule.required:
            raise wrong_parameter(f"{pointer}/{name}", "", "缺少参数")
