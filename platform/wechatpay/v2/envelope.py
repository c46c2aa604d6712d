"""The XML of API v2: flat, UTF-8, unique elements. Everything else is refused.

Source: wechatpay-v2 1.2; failure catalogue X01-X08 (reading) and X10 (writing).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import unescape

import xmltodict

from wechatpay.text import is_sendable

MAX_BYTES = 64 * 1024
MAX_ELEMENTS = 100

EnvelopeFault = Literal["too_large", "not_utf8", "doctype", "malformed", "duplicate_field"]

_BOM = b"\xef\xbb\xbf"
_DECLARED_ENCODING = re.compile(r"\s*<\?xml[^>]*?encoding\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
_DOCTYPE = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ELEMENT = re.compile(r"<([a-z0-9_]+)>([^<>]*)</\1>")


class MalformedXml(ValueError):
    """A body that is not the XML of API v2. `reason` is a token, `field` the element if one is to blame."""

    def __init__(self, reason: EnvelopeFault, detail: str, field: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.field = field


class UnsendableValue(ValueError):
    """A name or value that must not go into a message of ours. Names the field, not the value."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: cannot be sent")
        self.field = field


def parse(
    body: bytes, *, max_bytes: int = MAX_BYTES, max_elements: int = MAX_ELEMENTS, root: str = "xml"
) -> dict[str, str]:
    """Read one message; the dict returned is what must be verified AND used (X04).

    Values keep their outer blanks, because the signature covers them (X05); an empty element
    gives "". Raises MalformedXml for anything but a flat document of unique text elements.
    """
    text = _decode(body, max_bytes)
    try:
        document = xmltodict.parse(text, encoding="utf-8", strip_whitespace=False)
    # ValueError: xmltodict met an entity declaration.
    except (ExpatError, ValueError):
        raise MalformedXml("malformed", "not well-formed XML") from None
    if set(document) != {root}:
        raise MalformedXml("malformed", f"the root element is not {root}")
    content = document[root]
    if not isinstance(content, dict):
        raise MalformedXml("malformed", "no elements")
    # Blanks between elements; without strip_whitespace they arrive as the root's own text.
    if str(content.pop("#text", None) or "").strip(" \t\n"):
        raise MalformedXml("malformed", "text between elements")
    if len(content) > max_elements:
        raise MalformedXml("malformed", f"more than {max_elements} elements")
    return {name: _text_of(name, value) for name, value in content.items()}


def _decode(body: bytes, max_bytes: int) -> str:
    """Checks on bytes and text that must come before any XML parser sees them."""
    if len(body) > max_bytes:
        raise MalformedXml("too_large", f"more than {max_bytes} bytes")
    try:
        text = body.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedXml("not_utf8", "not UTF-8") from None
    if _CONTROL.search(text):
        raise MalformedXml("malformed", "control characters")
    if _DOCTYPE.search(text):
        raise MalformedXml("doctype", "a document type is never sent by WeChat")
    declared = _DECLARED_ENCODING.match(text)
    if declared and declared[1].lower() not in {"utf-8", "utf8"}:
        raise MalformedXml("not_utf8", "declares another encoding than UTF-8")
    return text


def _text_of(name: str, value: object) -> str:
    if name.startswith("@"):
        raise MalformedXml("malformed", "attributes", name)
    if value is None:
        return ""
    if isinstance(value, list):
        raise MalformedXml("duplicate_field", "an element occurs twice", name)
    if not isinstance(value, str):
        raise MalformedXml("malformed", "nested elements or attributes", name)
    # A character reference brings in what _decode could not see: &#13;
    if "\r" in value:
        raise MalformedXml("malformed", "control characters", name)
    return value


def build(fields: Mapping[str, str]) -> bytes:
    """Write one message, every value as CDATA, `]]>` split so that it survives.

    Raises UnsendableValue for names outside `^[a-z][a-z0-9_]{0,63}$` and for values with control
    characters or characters of four UTF-8 bytes (wechatpay-v2 1.1).
    """
    for name, value in fields.items():
        if _NAME.fullmatch(name) is None or not is_sendable(value):
            raise UnsendableValue(name)
    escaped = xmltodict.unparse({"xml": dict(fields)}, full_document=False)
    # xmltodict escapes: no text of its output holds < or >, so an element is easy to tell.
    return _ELEMENT.sub(_as_cdata, escaped).encode("utf-8")


def _as_cdata(element: re.Match[str]) -> str:
    name, value = element[1], unescape(element[2]).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{value}]]></{name}>"
