"""JSON that means one thing only (failure catalogue X11).

Parsers differ over duplicate names, NaN and half characters; what they differ over is refused before any
handler sees it.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from spapp.web.problems import MalformedJson
from spcore.errors import Text

MAX_DEPTH = 32
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def check(body: bytes) -> None:
    """Raise MalformedJson unless `body` is one strict JSON document; an empty body passes."""
    if not body:
        return
    if body.startswith(b"\xef\xbb\xbf"):
        raise _malformed("开头有 BOM，请去掉", "begins with a byte order mark; leave it out")
    try:
        document = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _malformed("不是 UTF-8", "is not UTF-8") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise _malformed("语法错误", "has a syntax error") from None
    _check_depth(document, MAX_DEPTH)
    if _SURROGATE.search(body):
        _check_characters(document)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            twice = name[:64]
            raise _malformed(f"字段 {twice!a} 出现了两次", f"names the field {twice!a} twice")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise _malformed(f"含有 {name}，JSON 不允许", f"holds {name}, which JSON does not have")


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise _too_deep()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_depth(inner, left - 1)


def _check_characters(document: Any) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _malformed("含有不完整的字符", "holds half a character (a lone surrogate)") from None


def _too_deep() -> MalformedJson:
    return _malformed(f"嵌套超过 {MAX_DEPTH} 层", f"is nested deeper than {MAX_DEPTH}")


def _malformed(zh: str, en: str) -> MalformedJson:
    return MalformedJson(Text(f"请求体{zh}。", f"The body {en}."))
