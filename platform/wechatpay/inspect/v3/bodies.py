"""Other bodies that somebody may have signed, or that a signed body may have become on its way."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from wechatpay.inspect.recipe import Step

_STYLES: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":")},
    {},
    {"indent": 2},
    {"indent": 4},
    {"indent": "\t"},
)

Changed = Iterator[tuple[Step, bytes]]


def variants(body: bytes) -> Changed:
    """Yield each once, the likeliest first, `body` itself not among them."""
    seen = {body}
    for step, changed in _all(body):
        if changed not in seen:
            seen.add(changed)
            yield step, changed


def _all(body: bytes) -> Changed:
    if not body:
        for nothing in (b"{}", b"null", b"[]", b'""'):
            yield Step("body_made_up"), nothing
        return
    text = body.decode("utf-8", errors="replace")
    yield Step("body_line_end"), body + b"\n"
    yield Step("body_line_end"), body + b"\r\n"
    yield Step("body_line_end"), body.replace(b"\n", b"\r\n")
    yield from _serialised(text)
    yield Step("body_missing"), b""
    yield Step("body_bom"), b"\xef\xbb\xbf" + body
    yield Step("body_not_utf8"), text.encode("gb18030", errors="replace")
    yield Step("body_html"), html.unescape(text).encode()
    yield Step("body_html"), html.escape(text, quote=True).encode()
    yield Step("body_html"), html.escape(text, quote=False).encode()
    yield Step("body_url_encoded"), unquote_plus(text).encode()
    yield Step("body_url_encoded"), quote_plus(text).encode()
    yield Step("body_as_text"), json.dumps(text, ensure_ascii=False).encode()
    yield Step("body_trimmed"), body.strip()


def _serialised(text: str) -> Changed:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(document, str):
        yield Step("body_as_text"), document.encode()
        return
    for style, ascii_only, in_order in product(_STYLES, (False, True), (False, True)):
        written = json.dumps(document, ensure_ascii=ascii_only, sort_keys=in_order, **style)
        code = "body_sorted" if in_order else "body_escaped" if ascii_only else "body_reserialised"
        yield Step(code), written.encode()
        yield Step("body_escaped"), written.replace("/", "\\/").encode()
    if isinstance(document, dict) and isinstance(document.get("resource"), dict):
        inner = document["resource"]
        yield Step("body_of_resource"), json.dumps(inner, ensure_ascii=False, separators=(",", ":")).encode()
        yield Step("body_of_resource"), str(inner.get("ciphertext", "")).encode()
