"""Parameters that open a cashier: which mistake explains a paySign that WeChat refuses (wechatpay-v3 2.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import permutations

from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark
from wechatpay.inspect.v3.checking import Checker, signature_of
from wechatpay.inspect.v3.report import Account, Report, shown_nonce, shown_time, verdict_of
from wechatpay.inspect.v3.sample import Message
from wechatpay.v3.signing import cashier_message

_PREFIX = "prepay_id="
_SECONDS = re.compile(r"[0-9]{10}")
_Lines = tuple[str, str, str, str]


def inspect(message: Message, account: Account) -> Report:
    """Find out what is wrong with the signature of payment parameters."""
    given = message.fields
    is_app = "prepayid" in given
    last = given.get("prepayid", "") if is_app else given.get("package", "")
    steps = tuple(
        Step("parameter_missing", name)
        for name in ("timestamp", "nonce", "prepayid" if is_app else "package")
        if not given.get(name)
    )
    remarks = (*message.remarks, *_remarks(given, last, is_app=is_app))
    apps = _apps(given.get("appid"), account)
    bases = [(app, given.get("timestamp", ""), given.get("nonce", ""), last) for app in apps]
    signature = signature_of(given["signature"], "paySign")
    if isinstance(signature, Step) or steps:
        own = (signature,) if isinstance(signature, Step) else ()
        return _report(bases[0], (*steps, *own), remarks, None, None, 0)
    checker = Checker(signature.value, [(key.serial, key.public_key) for key in account.own])
    serial, app, wrong = _search(bases, given.get("appid"), checker, account)
    old = {key.serial for key in account.own if not key.active}
    of_key = (Step("signed_by_old_key"),) if serial in old else ()
    return _report(bases[0], (*of_key, *signature.steps, *wrong), remarks, serial, app, checker.checks)


def _apps(named: str | None, account: Account) -> tuple[str, ...]:
    """Return the apps that may open the cashier: the one that is named, else any of the account's."""
    return (named,) if named else (*account.sub_appids, account.appid)


def _search(
    bases: list[_Lines], named: str | None, checker: Checker, account: Account
) -> tuple[str | None, str | None, tuple[Step, ...]]:
    for base in bases:
        if (serial := checker.key_of(cashier_message(*base))) is not None:
            return serial, base[0], ()
    if named:
        for app in (*account.sub_appids, account.appid):
            if (serial := checker.key_of(cashier_message(app, *bases[0][1:]))) is not None:
                return serial, app, (Step("app_of_other", "appId"),)
    for base in bases:
        for step, put_together in _single(base):
            if (serial := checker.key_of(put_together)) is not None:
                return serial, base[0], (step,)
        if (serial := checker.other_algorithm(cashier_message(*base))) is not None:
            return serial, base[0], (Step("algorithm"),)
    return None, None, ()


def _single(base: _Lines) -> Iterator[tuple[Step, bytes]]:
    app, timestamp, nonce, last = base
    bare = last.removeprefix(_PREFIX)
    other = bare if last != bare else _PREFIX + bare
    whole = cashier_message(*base)
    yield Step("package_prefix", "package"), cashier_message(app, timestamp, nonce, other)
    yield Step("last_line_end"), whole[:-1]
    yield Step("line_ends"), whole.replace(b"\n", b"\r\n")
    yield Step("line_ends"), b"".join(part.encode() for part in base)
    yield Step("timestamp_unit", "timeStamp"), cashier_message(app, timestamp + "000", nonce, last)
    yield Step("timestamp_unit", "timeStamp"), cashier_message(app, timestamp[:10], nonce, last)
    yield Step("line_added", "signType"), cashier_message(*base, "RSA")
    yield Step("line_missing", "appId"), cashier_message(timestamp, nonce, last)
    for changed in {nonce.lower(), nonce.upper()} - {nonce}:
        yield Step("nonce_case", "nonceStr"), cashier_message(app, timestamp, changed, last)
    for order in permutations(base):
        if order != base:
            yield Step("line_order"), cashier_message(*order)
    joined = f"appId={app}&nonceStr={nonce}&package={last}&signType=RSA&timeStamp={timestamp}"
    yield Step("string_of_v2"), joined.encode()


def _remarks(given: Mapping[str, str], last: str, *, is_app: bool) -> Iterator[Remark]:
    timestamp = given.get("timestamp", "")
    if not is_app and given.get("sign_type") != "RSA":
        yield Remark("sign_type_not_rsa", "signType")
    if timestamp and _SECONDS.fullmatch(timestamp) is None:
        yield Remark("timestamp_form", "timeStamp")
    if not is_app and last and not last.startswith(_PREFIX):
        yield Remark("package_prefix_missing", "package")
    if is_app and last.startswith(_PREFIX):
        yield Remark("package_prefix_extra", "prepayid")


def _report(
    base: _Lines,
    steps: tuple[Step, ...],
    remarks: tuple[Remark, ...],
    serial: str | None,
    app: str | None,
    checks: int,
) -> Report:
    lines = (
        ("appId", base[0]),
        ("timeStamp", shown_time(base[1])),
        ("nonceStr", shown_nonce(base[2])),
        ("package", base[3]),
    )
    return Report("cashier", verdict_of(serial, steps), steps, remarks, lines, serial, app=app, checks=checks)
