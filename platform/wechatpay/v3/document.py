"""The JSON of API v3: one object, unique names, whole numbers. Everything else is refused.

What is sent is made once, signed and sent as such. Source: wechatpay-v3 1.1, 1.2 and 2.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from wechatpay.errors import InvalidRequest
from wechatpay.text import is_sendable

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8

DocumentFault = Literal["too_large", "not_utf8", "malformed", "duplicate_field"]

_MAX_DIGITS = 18


class MalformedJson(ValueError):
    """A body that is not the JSON of API v3. `reason` is a token; what it holds is not kept."""

    def __init__(self, reason: DocumentFault, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def parse(body: bytes, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read one document: an object of texts, booleans, whole numbers, lists and objects.

    Raises MalformedJson for anything else, for a name that occurs twice, for NaN and fractions, and for more
    than MAX_DEPTH levels.
    """
    if len(body) > max_bytes:
        raise MalformedJson("too_large")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedJson("not_utf8") from None
    try:
        document = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_whole,
            parse_float=_refused,
            parse_constant=_refused,
        )
    except (json.JSONDecodeError, RecursionError):
        raise MalformedJson("malformed") from None
    if not isinstance(document, dict):
        raise MalformedJson("malformed")
    _check_depth(document)
    return document


def _check_depth(value: object, level: int = 0) -> None:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if level >= MAX_DEPTH:
            raise MalformedJson("malformed")
        _check_depth(one, level + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise MalformedJson("duplicate_field", name[:64])
        found[name] = value
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise MalformedJson("malformed")
    return int(digits)


def _refused(_number: str) -> float:
    raise MalformedJson("malformed")


def build(fields: Mapping[str, Any]) -> bytes:
    """Write one document, compact and without what is empty: WeChat takes neither null nor "" nor {}.

    Raises InvalidRequest for control characters and for characters of four bytes (wechatpay-v3 1.1).
    """
    return json.dumps(_filled(fields), ensure_ascii=False, separators=(",", ":")).encode()


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    filled = {}
    for name, value in fields.items():
        told = _filled(value) if isinstance(value, Mapping) else value
        if told is None or told in ("", {}):
            continue
        if isinstance(told, str) and not is_sendable(told):
            raise InvalidRequest(name, "含有微信不接受的字符", "holds characters that WeChat does not take")
        filled[name] = told
    return filled
