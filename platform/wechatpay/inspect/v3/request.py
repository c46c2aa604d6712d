"""Requests: which mistake explains an Authorization that WeChat refuses (wechatpay-v3 1.2)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark
from wechatpay.inspect.v3.bodies import variants
from wechatpay.inspect.v3.checking import Checker, signature_of
from wechatpay.inspect.v3.report import Account, Report, shown_nonce, shown_time, verdict_of
from wechatpay.inspect.v3.sample import Message
from wechatpay.v3.auth import SCHEME
from wechatpay.v3.verification import WINDOW_S

_NEEDED = ("mchid", "nonce_str", "timestamp", "serial_no", "signature")
_PAIR = re.compile(r"\b(\w{1,32})\s{0,4}=\s{0,4}(?:\"([^\"]*)\"|'([^']*)'|([^,\"']+))")
_SECONDS = re.compile(r"[0-9]{10}")
_HOST = "https://api.mch.weixin.qq.com"


@dataclass(frozen=True, slots=True)
class _Lines:
    """The five lines that are signed, and how they are put together."""

    method: str
    target: str
    timestamp: str
    nonce: str
    body: bytes

    def parts(self) -> tuple[bytes, ...]:
        return (
            *(part.encode() for part in (self.method, self.target, self.timestamp, self.nonce)),
            self.body,
        )

    def message(self) -> bytes:
        return b"".join(part + b"\n" for part in self.parts())


def inspect(message: Message, account: Account) -> Report:
    """Find out what is wrong with the signature of a request."""
    scheme, _, rest = message.header("authorization").strip().partition(" ")
    given, steps = _pairs(rest)
    if scheme != SCHEME:
        steps.insert(0, Step("scheme", "Authorization"))
    steps += [Step("auth_missing", name) for name in _NEEDED if not given.get(name)]
    lines = _Lines(
        message.method.upper(),
        _target(message.target),
        given.get("timestamp", ""),
        given.get("nonce_str", ""),
        message.body,
    )
    remarks = (*message.remarks, *_of_header(given, account), *_of_body(message.body, given))
    if any(step.code in ("scheme", "auth_missing") for step in steps):
        return _report(lines, tuple(steps), remarks)
    signature = signature_of(given["signature"], "signature")
    if isinstance(signature, Step):
        return _report(lines, (*steps, signature), remarks)
    checker = Checker(signature.value, [(own.serial, own.public_key) for own in account.own])
    serial, wrong = _search(lines, message.target, checker)
    found = (*steps, *_of_serial(given["serial_no"], serial, account), *signature.steps, *wrong)
    return _report(lines, found, remarks, serial, checker.checks)


def _pairs(rest: str) -> tuple[dict[str, str], list[Step]]:
    given: dict[str, str] = {}
    steps: list[Step] = []
    for found in _PAIR.finditer(rest):
        value = next(part for part in found.groups()[1:] if part is not None)
        given[found[1]] = value.strip()
        if found[2] is None:
            steps.append(Step("auth_quotes", found[1]))
    return given, steps


def _target(target: str) -> str:
    parts = urlsplit(target)
    if not parts.netloc:
        return target
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _search(lines: _Lines, given_target: str, checker: Checker) -> tuple[str | None, tuple[Step, ...]]:
    """Return the key under which some reading verifies, and in what that reading departs from the rules."""
    if (serial := checker.key_of(lines.message())) is not None:
        return serial, ()
    singles = [*_of_lines(lines, given_target), *_of_bodies(lines)]
    for step, changed in singles:
        if (serial := checker.key_of(changed.message())) is not None:
            return serial, (step,)
    for step, put_together in _put_together(lines):
        if (serial := checker.key_of(put_together)) is not None:
            return serial, (step,)
    if (serial := checker.other_algorithm(lines.message())) is not None:
        return serial, (Step("algorithm"),)
    for step, changed in singles:
        whole = changed.message()
        for second, put_together in (
            (Step("last_line_end"), whole[:-1]),
            (Step("line_ends"), whole.replace(b"\n", b"\r\n")),
        ):
            if (serial := checker.key_of(put_together)) is not None:
                return serial, (step, second)
    return None, ()


def _of_lines(lines: _Lines, given_target: str) -> Iterator[tuple[Step, _Lines]]:
    yield Step("method", "method"), replace(lines, method=lines.method.lower())
    for other in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        if other != lines.method:
            yield Step("method", "method"), replace(lines, method=other)
    path, _, query = lines.target.partition("?")
    for step, target in _of_target(path, query, given_target):
        if target != lines.target:
            yield step, replace(lines, target=target)
    yield Step("timestamp_unit", "timestamp"), replace(lines, timestamp=lines.timestamp + "000")
    yield Step("timestamp_unit", "timestamp"), replace(lines, timestamp=lines.timestamp[:10])
    for nonce in {lines.nonce.lower(), lines.nonce.upper()} - {lines.nonce}:
        yield Step("nonce_case", "nonce_str"), replace(lines, nonce=nonce)


def _of_target(path: str, query: str, given: str) -> Iterator[tuple[Step, str]]:
    asked = f"?{query}" if query else ""
    if query:
        yield Step("query_missing", "url"), path
        yield Step("query_missing", "url"), f"{path}?"
        yield Step("query_order", "url"), f"{path}?{'&'.join(sorted(query.split('&')))}"
        yield Step("query_order", "url"), f"{path}?{'&'.join(reversed(query.split('&')))}"
    yield Step("target_host", "url"), given
    yield Step("target_host", "url"), f"{_HOST}{path}{asked}"
    yield Step("target_host", "url"), f"{_HOST.removeprefix('https://')}{path}{asked}"
    yield Step("target_slash", "url"), path.lstrip("/") + asked
    yield Step("target_slash", "url"), path.rstrip("/") + asked
    yield Step("target_slash", "url"), f"{path}/{asked}"
    yield Step("target_version", "url"), path.removeprefix("/v3") + asked
    for encoded in (quote(path, safe="/*"), quote(path, safe="/"), unquote(path), quote(path, safe="/|*")):
        yield Step("target_encoding", "url"), encoded + asked
    yield Step("target_encoding", "url"), path + (f"?{unquote(query)}" if query else "")


def _of_bodies(lines: _Lines) -> Iterator[tuple[Step, _Lines]]:
    for step, body in variants(lines.body):
        yield step, replace(lines, body=body)


def _put_together(lines: _Lines) -> Iterator[tuple[Step, bytes]]:
    parts, whole = lines.parts(), lines.message()
    yield Step("last_line_end"), whole[:-1]
    yield Step("last_line_end"), whole + b"\n"
    yield Step("line_ends"), whole.replace(b"\n", b"\r\n")
    yield Step("line_ends"), b"\\n".join(parts) + b"\\n"
    yield Step("line_ends"), b"".join(parts)
    yield Step("line_ends"), b"&".join(parts)
    for left_out in range(len(parts)):
        kept = parts[:left_out] + parts[left_out + 1 :]
        yield Step("line_missing", _NAMES[left_out]), b"".join(part + b"\n" for part in kept)
    for order in permutations(parts):
        if order != parts:
            yield Step("line_order"), b"".join(part + b"\n" for part in order)


_NAMES = ("method", "url", "timestamp", "nonce_str", "body")


def _of_serial(named: str, verified: str | None, account: Account) -> tuple[Step, ...]:
    own = {key.serial: key for key in account.own}
    if named in {key.serial for key in account.platform} or named.startswith("PUB_KEY_ID_"):
        return (Step("serial_no_is_wechats", "serial_no"),)
    if named not in own:
        spelt = {_plain(serial) for serial in own}
        code = "serial_spelling" if _plain(named) in spelt else "serial_no_unknown"
        return (Step(code, "serial_no"),)
    if verified is not None and verified != named:
        return (Step("serial_no_of_other_key", "serial_no"),)
    return () if own[named].active else (Step("serial_no_old", "serial_no"),)


def _plain(serial: str) -> str:
    return serial.strip().upper().replace(":", "").lstrip("0")


def _of_header(given: dict[str, str], account: Account) -> Iterator[Remark]:
    mch_id, told = given.get("mchid"), given.get("timestamp", "")
    if mch_id and mch_id != account.mch_id:
        yield Remark("mchid_is_sub" if mch_id in account.sub_mch_ids else "foreign_account", "mchid")
    if told and _SECONDS.fullmatch(told) is None:
        yield Remark("timestamp_form", "timestamp")
    elif told and abs(account.now.timestamp() - int(told)) >= WINDOW_S:
        yield Remark("stale_timestamp", "timestamp")


def _of_body(body: bytes, given: dict[str, str]) -> Iterator[Remark]:
    try:
        document: Any = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        yield Remark("body_not_json")
        return
    if not isinstance(document, dict):
        return
    for name in ("sp_mchid", "mchid"):
        if name in document and given.get("mchid") and document[name] != given["mchid"]:
            yield Remark("mchid_differs", name)
    yield from _names_of_v2(document)
    if any(ord(each) > 0xFFFF for each in body.decode("utf-8", errors="replace")):
        yield Remark("four_byte_character")


def _names_of_v2(document: dict[str, Any]) -> Iterator[Remark]:
    for name in ("mch_id", "sub_mch_id", "total_fee", "spbill_create_ip", "body", "openid"):
        if name in document:
            yield Remark("name_of_v2", name)


def _report(
    lines: _Lines,
    steps: Sequence[Step],
    remarks: Sequence[Remark],
    serial: str | None = None,
    checks: int = 0,
) -> Report:
    shown = (
        ("method", lines.method),
        ("url", lines.target),
        ("timestamp", shown_time(lines.timestamp)),
        ("nonce_str", shown_nonce(lines.nonce)),
        ("body", f"{len(lines.body)} bytes"),
    )
    found = tuple(steps)
    unique = tuple(dict.fromkeys(remarks))
    return Report("request", verdict_of(serial, found), found, unique, shown, serial, checks=checks)
