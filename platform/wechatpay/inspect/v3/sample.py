"""Reading what people paste: headers and body of a callback or request, or the parameters of a cashier.

Header lines may come from a log, a proxy, `curl -v` or PHP's `$_SERVER`; the body is kept to the byte, as far
as a text field leaves it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from wechatpay.inspect.sample import MAX_FIELDS, MAX_TEXT, Remark, UnreadableSample

Kind = Literal["callback", "request", "cashier"]

CASHIER_NAMES = {
    "appid": ("appId", "appid", "appID"),
    "timestamp": ("timeStamp", "timestamp"),
    "nonce": ("nonceStr", "noncestr"),
    "package": ("package",),
    "prepayid": ("prepayid", "prepayId"),
    "sign_type": ("signType",),
    "signature": ("paySign", "sign"),
}
"""What a cashier is opened with, under the names that are in use."""

_START = re.compile(r"([A-Za-z]{3,7})\s+(\S+)(?:\s+HTTP/[0-9.]+)?")
_STATUS = re.compile(r"HTTP/[0-9.]+ [0-9]{3}.*")
# Whatever is pasted is matched in linear time: nothing of open length stands beside its like.
_HEADER = re.compile(
    r"(?:[<>]\s?|(?:-H|--header)\s)?\s*['\"]?([A-Za-z][\w-]{0,63})['\"]?\s{0,4}(?:=>|:)(.*)", re.DOTALL
)
_IS_V3 = re.compile(
    r"(?im)^[^\w\n]{0,12}(?:-H[^\w\n]{1,4}|--header[^\w\n]{1,4}|HTTP_)?"
    r"(?:wechatpay[-_](?:serial|timestamp|nonce|signature)|authorization)\b"
    r"|wechatpay2-sha256|wechatpay2-sm2"
)
_RSA_SIGNATURE = re.compile(r"\"(?:paySign|sign)\"\s*:\s*\"[0-9A-Za-z+/=%\s_-]{100,}\"")
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Message:
    """One signed text. `headers` by lower-case names; `fields` are those of a cashier.

    `target` is path and query of a request, as it was given. `body` stays on the server: a callback's
    resource is encrypted, a request's may name people.
    """

    kind: Kind
    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    remarks: tuple[Remark, ...] = ()

    def header(self, name: str) -> str:
        """Return a header as it came, "" without one."""
        return self.headers.get(name.lower(), "")


def is_v3(text: str) -> bool:
    """Whether a text is one of API v3 rather than of v2; what is too long is judged by its beginning."""
    text = text[:MAX_TEXT]
    return _IS_V3.search(text) is not None or (
        text.lstrip().startswith("{") and _RSA_SIGNATURE.search(text) is not None
    )


def read(text: str) -> Message:
    """Read a text that `is_v3`. Raises UnreadableSample."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").strip("\0\n ")
    if not text:
        raise UnreadableSample("empty")
    if len(text) > MAX_TEXT:
        raise UnreadableSample("too_long")
    if text.startswith("{"):
        return _cashier(text)
    method, target, headers, body = _parts(text)
    if "authorization" in headers:
        if not method:
            method = "POST" if body else "GET"
        return Message("request", method, target, headers, body, {}, _of_target(target))
    if not any(name.startswith("wechatpay-") for name in headers):
        raise UnreadableSample("not_understood")
    return Message("callback", method, target, headers, body, {})


def _parts(text: str) -> tuple[str, str, dict[str, str], bytes]:
    method, target = "", ""
    headers: dict[str, str] = {}
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        if not line:
            at += 1
            if headers:
                break
            continue
        if line[0] in "{[":
            break
        bare = line.lstrip("<> ")
        start = _START.fullmatch(bare)
        if start is not None and start[1].upper() in _METHODS and not target:
            method, target = start[1], start[2].strip("'\"")
        elif _STATUS.fullmatch(bare) is None:
            _take_header(headers, line)
        at += 1
    if len(headers) > MAX_FIELDS:
        raise UnreadableSample("too_many_fields")
    # What ends a paste is the editor's, not the sender's.
    return method, target, headers, "\n".join(lines[at:]).strip("\n").encode()


def _take_header(headers: dict[str, str], line: str) -> None:
    found = _HEADER.fullmatch(line)
    if found is None:
        return
    name = found[1].lower().replace("_", "-").removeprefix("http-")
    value = found[2].strip().rstrip("\\").rstrip().rstrip(",").strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    elif name != "authorization":
        value = value.strip("'\"")
    headers[name] = f"{headers[name]}, {value}" if name in headers else value


def _of_target(target: str) -> tuple[Remark, ...]:
    if not target:
        return (Remark("target_missing"),)
    return (Remark("target_with_host"),) if urlsplit(target).netloc else ()


def _cashier(text: str) -> Message:
    try:
        given: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableSample("not_understood") from None
    found = _with_signature(given, 3)
    if found is None:
        raise UnreadableSample("no_signature")
    fields, remarks = {}, []
    for name, spellings in CASHIER_NAMES.items():
        spelling = next((each for each in spellings if each in found), None)
        if spelling is None or found[spelling] is None:
            continue
        value = found[spelling]
        if not isinstance(value, str):
            remarks.append(Remark("json_number", spelling))
            value = json.dumps(value)
        fields[name] = value
    return Message("cashier", "", "", {}, b"", fields, tuple(remarks))


def _with_signature(value: Any, depth: int) -> dict[str, Any] | None:
    """Return the object that holds a signature: answers wrap payment parameters in one of their own."""
    if not isinstance(value, dict) or depth == 0:
        return None
    if any(isinstance(value.get(name), str) for name in CASHIER_NAMES["signature"]):
        return value
    inner = (_with_signature(each, depth - 1) for each in value.values())
    return next((each for each in inner if each is not None), None)
