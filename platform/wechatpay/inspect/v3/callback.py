"""Callbacks and answers: why what WeChat signed does not verify, or does not open (wechatpay-v3 1.3-1.5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from wechatpay.credentials import ApiV3Key
from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark
from wechatpay.inspect.v3.bodies import variants
from wechatpay.inspect.v3.checking import Checker, signature_of
from wechatpay.inspect.v3.report import Account, Report, shown_nonce, shown_time, verdict_of
from wechatpay.inspect.v3.sample import Message
from wechatpay.v3 import aead
from wechatpay.v3.platform_keys import PUBLIC_KEY_PREFIX
from wechatpay.v3.signing import signed_message
from wechatpay.v3.verification import PROBE, WINDOW_S

_NEEDED = ("Wechatpay-Serial", "Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature")
_SERIAL, _TIMESTAMP, _NONCE, _SIGNATURE = _NEEDED
_TYPE = "Wechatpay-Signature-Type"
_SCHEME = "WECHATPAY2-SHA256-RSA2048"
_SECONDS = re.compile(r"[0-9]{10}")
_CERTIFICATE = re.compile(r"[0-9A-Fa-f]{8,40}")


def inspect(message: Message, account: Account) -> Report:
    """Find out what is wrong with a callback or an answer."""
    steps = [Step("header_missing", name) for name in _NEEDED if not message.header(name)]
    if message.header(_TYPE) not in ("", _SCHEME):
        steps.append(Step("signature_type", _TYPE))
    if message.header(_SIGNATURE).startswith(PROBE):
        steps.append(Step("probe", _SIGNATURE))
    if steps:
        return _report(message, account, tuple(steps))
    signature = signature_of(message.header(_SIGNATURE), _SIGNATURE)
    if isinstance(signature, Step):
        return _report(message, account, (signature,))
    keys = [(key.serial, key.public_key) for key in account.platform]
    named = message.header(_SERIAL)
    keys.sort(key=lambda each: each[0] != named)
    keys += [(own.serial, own.public_key) for own in account.own]
    checker = Checker(signature.value, keys)
    verified, wrong = _search(message, checker)
    of_serial = _of_serial(named, verified, account)
    found = (*of_serial, *signature.steps, *wrong)
    return _report(message, account, found, verified, checker.checks)


def _search(message: Message, checker: Checker) -> tuple[str | None, tuple[Step, ...]]:
    """Return the key under which some reading of it verifies, and in what that reading departs from it."""
    timestamp, nonce = message.header(_TIMESTAMP), message.header(_NONCE)
    if (serial := checker.key_of(signed_message(timestamp, nonce, message.body))) is not None:
        return serial, ()
    for step, changed_timestamp, changed_nonce in _of_headers(timestamp, nonce):
        if serial := checker.key_of(signed_message(changed_timestamp, changed_nonce, message.body)):
            return serial, (step,)
    for step, body in variants(message.body):
        if (serial := checker.key_of(signed_message(timestamp, nonce, body))) is not None:
            # A text field ends a paste without a line end: that says nothing about what was received.
            return serial, () if step.code == "body_line_end" else (step,)
    return None, ()


def _of_headers(timestamp: str, nonce: str) -> Iterator[tuple[Step, str, str]]:
    yield Step("headers_exchanged", _NONCE), nonce, timestamp
    yield Step("timestamp_unit", _TIMESTAMP), timestamp[:10], nonce
    for blank in ('"', "'", "[", "]"):
        yield Step("header_quoted", _NONCE), timestamp.strip(blank), nonce.strip(blank)
    for changed in (nonce.lower(), nonce.upper()):
        if changed != nonce:
            yield Step("header_case", _NONCE), timestamp, changed


def _of_serial(named: str, verified: str | None, account: Account) -> tuple[Step, ...]:
    """Return what is wrong with the key that is named, or with the one that it is signed with."""
    own = {key.serial for key in account.own}
    if verified in own:
        return (Step("signed_by_own_key", _SIGNATURE),)
    known = {key.serial: key for key in account.platform}
    if named in known:
        if verified not in (None, named):
            return (Step("serial_of_other_key", _SERIAL),)
        return () if known[named].counts_at(account.now) else (Step("serial_ended", _SERIAL),)
    if named in own:
        return (Step("serial_is_ours", _SERIAL),)
    if _plain(named) in {_plain(serial) for serial in known}:
        return (Step("serial_spelling", _SERIAL),)
    if verified is not None:
        return (Step("serial_of_other_key", _SERIAL),)
    if named.startswith(PUBLIC_KEY_PREFIX):
        return (Step("unknown_public_key", _SERIAL),)
    code = "unknown_certificate" if _CERTIFICATE.fullmatch(named) else "serial_form"
    return (Step(code, _SERIAL),)


def _plain(serial: str) -> str:
    return serial.strip().upper().replace(":", "").lstrip("0")


def _report(
    message: Message,
    account: Account,
    steps: tuple[Step, ...],
    serial: str | None = None,
    checks: int = 0,
) -> Report:
    remarks, version = list(message.remarks), None
    remarks += _of_time(message, account)
    opened = _opened(message, account)
    if isinstance(opened, int):
        version = opened
        if serial is None and not steps:
            remarks.append(Remark("resource_intact"))
    elif opened is not None and serial is not None:
        remarks.append(opened)
    lines = (
        ("Wechatpay-Timestamp", shown_time(message.header(_TIMESTAMP))),
        ("Wechatpay-Nonce", shown_nonce(message.header(_NONCE))),
        ("body", f"{len(message.body)} bytes"),
    )
    return Report(
        "callback", verdict_of(serial, steps), steps, tuple(remarks), lines, serial, version, checks=checks
    )


def _of_time(message: Message, account: Account) -> Iterator[Remark]:
    told = message.header(_TIMESTAMP)
    if not told:
        return
    if _SECONDS.fullmatch(told) is None:
        yield Remark("timestamp_form", _TIMESTAMP)
    elif abs(account.now.timestamp() - int(told)) >= WINDOW_S:
        yield Remark("stale_timestamp", _TIMESTAMP)


def _opened(message: Message, account: Account) -> int | Remark | None:
    """Return the version of the API v3 key that opens what is inside, or why none does; None without one."""
    resource = _resource(message.body)
    if resource is None or not account.opening:
        return None
    for key in account.opening:
        if _opens(key, resource):
            return key.version
    if any(_opens(key, resource) for key in account.old):
        return Remark("v3_key_old")
    if any(_opens(ApiV3Key(key.version, key.secret), resource) for key in account.v2):
        return Remark("v3_key_is_v2_key")
    return Remark("v3_key_wrong")


def _opens(key: ApiV3Key, resource: dict[str, str]) -> bool:
    sealed = resource["nonce"], resource.get("associated_data", ""), resource["ciphertext"]
    return aead.opened(key, *sealed) is not None


def _resource(body: bytes) -> dict[str, str] | None:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    resource = document.get("resource") if isinstance(document, dict) else None
    if not isinstance(resource, dict):
        return None
    texts = {name: value for name, value in resource.items() if isinstance(value, str)}
    return texts if {"nonce", "ciphertext"} <= texts.keys() else None
