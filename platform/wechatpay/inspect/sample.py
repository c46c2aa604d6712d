"""Reading what people paste: a request, a callback or payment parameters, however broken.

Unlike `v2.envelope`, which refuses whatever is not exact, this reads as much as there is and remarks on the
rest: the broken part is what somebody is looking for.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_TEXT = 16 * 1024
"""Characters; a genuine v2 message has hardly more than two thousand."""
MAX_FIELDS = 60

Form = Literal["xml", "pairs", "json"]
Fault = Literal["empty", "too_long", "too_many_fields", "not_understood", "no_signature", "not_a_signature"]

SIGN_NAMES = ("sign", "paySign")

_ELEMENT = re.compile(r"<([A-Za-z_][\w-]{0,63})>(?:\s*<!\[CDATA\[(.*?)\]\]>\s*|([^<]*))</\1>", re.DOTALL)
_DOCTYPE = re.compile(r"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_XML_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_MEMBER = re.compile(r"[\"']?(\w{1,64})[\"']?\s*:\s*(?:\"((?:[^\"\\]|\\.)*)\"|'([^']*)'|(-?[0-9.]+))")
_HEX = re.compile(r"[0-9A-Fa-f]+")
_LENGTHS = frozenset({31, 32, 63, 64})


class UnreadableSample(ValueError):
    """Nothing to inspect in the text; `reason` is a token."""

    def __init__(self, reason: Fault) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Remark:
    """Something wrong with the text itself, whatever the signature says. `code` is a key of `words.WORDS`."""

    code: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """The fields in the order of the text, without the signature; a name may stand there twice.

    `claimed` is the signature in upper case and without blanks around it: 31, 32, 63 or 64 hex digits.
    """

    form: Form
    fields: tuple[tuple[str, str], ...]
    claimed: str = field(repr=False)
    sign_name: str
    remarks: tuple[Remark, ...]

    def get(self, name: str) -> str:
        """Return the last value under the name, "" without one."""
        return next((value for other, value in reversed(self.fields) if other == name), "")

    def has(self, name: str) -> bool:
        return any(other == name for other, _ in self.fields)


def read(given: str | bytes) -> Sample:
    """Read a text, or the bytes of a file. Raises UnreadableSample."""
    text, remarks = _decoded(given)
    text = text.strip("\0 \t\n")
    if not text:
        raise UnreadableSample("empty")
    if len(text) > MAX_TEXT:
        raise UnreadableSample("too_long")
    form, pairs, found = _parsed(text)
    remarks += found
    if any(name == "key" for name, _ in pairs):
        remarks.append(Remark("key_in_text", "key"))
        pairs = [(name, value) for name, value in pairs if name != "key"]
    if len(pairs) > MAX_FIELDS:
        raise UnreadableSample("too_many_fields")
    counted = Counter(name for name, _ in pairs)
    remarks += [Remark("duplicate_field", name) for name, count in counted.items() if count > 1]
    sign_name = _sign_name(pairs)
    claimed = next(value for name, value in reversed(pairs) if name == sign_name)
    if sign_name not in SIGN_NAMES:
        remarks.append(Remark("sign_name", sign_name))
    remarks += _of_signature(claimed, sign_name)
    rest = tuple((name, value) for name, value in pairs if name != sign_name)
    return Sample(form, rest, claimed.strip().upper(), sign_name, tuple(remarks))


def _decoded(given: str | bytes) -> tuple[str, list[Remark]]:
    remarks: list[Remark] = []
    if isinstance(given, bytes):
        try:
            text = given.decode("utf-8")
        except UnicodeDecodeError:
            text = given.decode("gb18030", errors="replace")
            remarks.append(Remark("body_not_utf8"))
    else:
        text = given
    if text.startswith("\ufeff"):
        remarks.append(Remark("bom"))
    # A form field arrives with CRLF whatever was pasted into it.
    return text.removeprefix("\ufeff").replace("\r\n", "\n"), remarks


def _parsed(text: str) -> tuple[Form, list[tuple[str, str]], list[Remark]]:
    if text.startswith("<"):
        return "xml", *_xml(text)
    if text.startswith("{"):
        return "json", *_json(text)
    pairs = [_pair(part) for part in re.split(r"[&\n]", text) if "=" in part]
    if not pairs:
        raise UnreadableSample("not_understood")
    return "pairs", pairs, []


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value


def _xml(text: str) -> tuple[list[tuple[str, str]], list[Remark]]:
    remarks: list[Remark] = []
    if _DOCTYPE.search(text):
        remarks.append(Remark("doctype"))
    inner = re.sub(r"\A(?:<\?[^>]*\?>\s*)?<xml>", "", text)
    if not inner.rstrip().endswith("</xml>"):
        remarks.append(Remark("cut_off"))
    pairs = [
        (found[1], found[2] if found[2] is not None else html.unescape(found[3]))
        for found in _ELEMENT.finditer(inner)
    ]
    if not pairs:
        raise UnreadableSample("not_understood")
    remarks += [Remark("field_name", name) for name, _ in pairs if _XML_NAME.fullmatch(name) is None]
    return pairs, remarks


def _json(text: str) -> tuple[list[tuple[str, str]], list[Remark]]:
    try:
        members = json.loads(text, object_pairs_hook=list)
    except ValueError:
        pairs = [_member(found) for found in _MEMBER.finditer(text)]
        if not pairs:
            raise UnreadableSample("not_understood") from None
        cut = [] if text.endswith("}") else [Remark("cut_off")]
        return pairs, cut
    except RecursionError:
        raise UnreadableSample("not_understood") from None
    members = _innermost(members)
    remarks = [Remark("json_number", name) for name, value in members if type(value) in (int, float)]
    return [(name, _plain(value)) for name, value in members if not isinstance(value, list)], remarks


def _member(found: re.Match[str]) -> tuple[str, str]:
    return found[1], next(part for part in found.groups()[1:] if part is not None)


def _innermost(members: Any) -> list[tuple[str, Any]]:
    """Return the object that holds a signature: answers wrap payment parameters in one of their own."""
    for wrapped in _objects(members, 3):
        if any(name.lower() in ("sign", "paysign") for name, _ in wrapped):
            return wrapped
    return members if _is_object(members) else []


def _objects(value: Any, depth: int) -> Iterator[list[tuple[str, Any]]]:
    if _is_object(value):
        yield value
        if depth > 1:
            for _, inner in value:
                yield from _objects(inner, depth - 1)


def _is_object(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(member, tuple) for member in value)


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _sign_name(pairs: Sequence[tuple[str, str]]) -> str:
    names = [name for name, value in pairs if value.strip()]
    for wanted in ("paySign", "sign"):
        if wanted in names:
            return wanted
    for name in names:
        if name.lower() in ("sign", "paysign", "pay_sign", "signature"):
            return name
    raise UnreadableSample("no_signature")


def _of_signature(claimed: str, name: str) -> list[Remark]:
    bare = claimed.strip()
    if _HEX.fullmatch(bare) is None or len(bare) not in _LENGTHS:
        raise UnreadableSample("not_a_signature")
    remarks = []
    if bare != claimed:
        remarks.append(Remark("sign_blank", name))
    if bare != bare.upper():
        remarks.append(Remark("sign_lower_case", name))
    return remarks
