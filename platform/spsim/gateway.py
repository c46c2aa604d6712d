"""WeChat's own paths: what the platform calls. Faults are applied here, around the rules."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from . import payer, refund_books, trades
from .admission import Call, Declined, Refused, admit
from .answers import Answer, declined, done, refusal
from .certificates import same_certificate
from .clock import http_date
from .codes import authcodetoopenid
from .faults import HELD, LOGIN, Fault, Faults
from .fields import (
    AUTHCODETOOPENID,
    CLOSEORDER,
    MICROPAY,
    ORDERQUERY,
    REFUND,
    REFUNDQUERY,
    REVERSE,
    UNIFIEDORDER,
    Endpoint,
)
from .login import LoginFailed, exchange
from .micropay import micropay, reverse
from .notifier import Notifier
from .orders import closeorder, orderquery, unifiedorder
from .refund_limits import RefundGate
from .refunds import refund, refundquery
from .registry import another_sub_merchant, client_certificate
from .transport import client_certificate as shown_certificate
from .transport import cut, dated, drip, flood, read_body, send_body
from .wire import MAX_BODY
from .world import World

_Rule = Callable[[World, Call], dict[str, str]]
_NO_CERTIFICATE: Final = (
    b"<html><head><title>400 No required SSL certificate was sent</title></head>"
    b"<body><center><h1>400 Bad Request</h1>No required SSL certificate was sent</center></body></html>"
)
_BAD_GATEWAY: Final = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
_UNSENT: Final = frozenset({HELD, "drop_before_effect"})
_DEFAULT_ERROR: Final = "SYSTEMERROR"
_TOO_FREQUENT: Final = "FREQUENCY_LIMITED"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Received:
    """One request as it came in: `certificate` is what the client showed, `fault` what is to go wrong."""

    method: str
    body: bytes
    certificate: str | None
    fault: Fault | None

    def has(self, *kinds: str) -> bool:
        """Tell whether the fault is one of these."""
        return self.fault is not None and self.fault.kind in kinds


@dataclass(frozen=True, slots=True)
class Gateway:
    """Everything a call to a WeChat path can touch."""

    world: World
    faults: Faults
    notifier: Notifier

    def handlers(self) -> list[ASGIRouteHandler]:
        """Return the route handlers of all simulated paths."""
        rules: tuple[tuple[Endpoint, _Rule], ...] = (
            (UNIFIEDORDER, unifiedorder),
            (ORDERQUERY, orderquery),
            (CLOSEORDER, closeorder),
            (MICROPAY, micropay),
            (REVERSE, reverse),
            (AUTHCODETOOPENID, authcodetoopenid),
            (REFUND, RefundGate(refund)),
            (REFUNDQUERY, refundquery),
        )
        return [*(self._v2(endpoint, rule) for endpoint, rule in rules), self._login()]

    def _v2(self, endpoint: Endpoint, rule: _Rule) -> ASGIRouteHandler:
        @asgi(endpoint.path, copy_scope=False)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.monotonic()
            send = dated(send, http_date(self.world.clock.now_ms()))
            body = await read_body(receive, MAX_BODY)
            fault = self.faults.take(endpoint.path)
            if fault is not None and await _fails_before(fault, scope, send):
                return
            received = _Received(str(scope.get("method", "")), body, shown_certificate(scope), fault)
            if endpoint.certificate and received.certificate is None:
                await send_body(send, _NO_CERTIFICATE, status=400, content_type="text/html")
                return
            answer, reason = self._answer(endpoint, rule, received)
            _log.info("call", extra={"facts": _facts(endpoint.path, answer, reason, fault, started)})
            if endpoint is REFUND:
                # It ends by itself soon: the notifier has to look when.
                self.notifier.wake()
            if fault is not None and answer.call is not None:
                await self._overtake(answer.call, fault)
            if received.has("echo_other_order"):
                answer = self._cross_wired(answer)
            await _deliver(answer.body(), fault, scope, send)

        return handle

    def _answer(self, endpoint: Endpoint, rule: _Rule, received: _Received) -> tuple[Answer, str]:
        """Return the answer to a call and, for the log, why it was not a success."""
        try:
            call = admit(self.world.ledger, endpoint, received.method, received.body)
        except Refused as refused:
            return refusal(refused), refused.detail
        try:
            self._check_certificate(call, received.certificate)
            fields = self._apply(rule, call, received)
        except Refused as refused:
            return refusal(refused), refused.detail
        except Declined as reason:
            return declined(call, reason), ""
        answer = done(call, fields)
        if received.has("wrong_answer_signature"):
            answer = replace(answer, broken_sign=True)
        if received.has("missing_answer_signature"):
            answer = replace(answer, no_sign=True)
        return answer, ""

    def _check_certificate(self, call: Call, shown: str | None) -> None:
        """Check that the certificate is the caller's own (wechatpay-v2 9, catalogue F09)."""
        if not call.endpoint.certificate:
            return
        own = client_certificate(self.world.ledger, call.provider.mch_id)
        if own is None or shown is None or not same_certificate(own, shown):
            raise Declined("CERT_ERROR", "证书校验错误")

    def _apply(self, rule: _Rule, call: Call, received: _Received) -> dict[str, str]:
        """Apply the business rule, unless a fault keeps it from taking effect or hides that it did."""
        fault = received.fault
        if fault is None:
            return rule(self.world, call)
        if fault.kind in {"error_without_effect", "frequency_limited"}:
            default = _TOO_FREQUENT if fault.kind == "frequency_limited" else _DEFAULT_ERROR
            raise _failure(fault.text("err_code", default))
        if fault.kind == "recall":
            if fault.flag("with_effect"):
                rule(self.world, call)
            return {"recall": "Y"}
        fields = rule(self.world, call)
        if fault.kind == "error_with_effect":
            raise _failure(fault.text("err_code", _DEFAULT_ERROR))
        return fields

    async def _overtake(self, call: Call, fault: Fault) -> None:
        """Let a notification arrive before the answer to the call it is about (catalogue Z01, Z11)."""
        if fault.kind == "pay_before_answer":
            cashier = payer.find_cashier(
                self.world, out_trade_no=call.get("out_trade_no"), mch_id=call.provider.mch_id
            )
            if cashier.trade.state == "NOTPAY":
                payer.settle(self.world, cashier, None)
                await self.notifier.settled(cashier.trade)
            await asyncio.sleep(fault.number("ms", 0) / 1000)
        if fault.kind == "settle_before_answer":
            made = refund_books.by_number(self.world, call.provider.mch_id, call.get("out_refund_no"))
            if made is not None and made.status == "PROCESSING":
                refund_books.settle(self.world, made, "SUCCESS")
                await self.notifier.settled(refund_books.trade_of(self.world, made))
            await asyncio.sleep(fault.number("ms", 0) / 1000)

    def _cross_wired(self, answer: Answer) -> Answer:
        """Return an answer that belongs to another order, rightly signed (catalogue G05, G13)."""
        fields: dict[str, str] = {}
        if "sub_mch_id" in answer.fields:
            mch_id = answer.fields["mch_id"]
            fields["sub_mch_id"] = another_sub_merchant(
                self.world.ledger, mch_id, answer.fields["sub_mch_id"]
            )
        elif "mch_id" in answer.fields:
            fields["mch_id"] = "1999999999"
        if "out_trade_no" in answer.fields:
            others = (trade.out_trade_no for trade in trades.every(self.world))
            mine = answer.fields["out_trade_no"]
            fields["out_trade_no"] = next(
                (number for number in others if number != mine), "another-order-0001"
            )
        return answer.with_fields(fields)

    def _login(self) -> ASGIRouteHandler:
        @asgi(LOGIN, copy_scope=False)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            await read_body(receive, MAX_BODY)
            fault = self.faults.take(LOGIN)
            if fault is not None and await _fails_before(fault, scope, send):
                return
            answer = self._session(dict(parse_qsl(_query(scope), keep_blank_values=True)), fault)
            _log.info("call", extra={"facts": {"path": LOGIN, "errcode": answer.get("errcode", 0)}})
            body = json.dumps(answer, separators=(",", ":")).encode()
            await _deliver(body, fault, scope, send, content_type="text/plain")

        return handle

    def _session(self, query: dict[str, str], fault: Fault | None) -> dict[str, object]:
        if fault is not None and fault.kind == "error_without_effect":
            return {"errcode": -1, "errmsg": "system error"}
        if fault is not None and fault.kind == "frequency_limited":
            return {
                "errcode": 45011,
                "errmsg": "api minute-quota reach limit, must slower, retry next minute",
            }
        try:
            return dict(exchange(self.world, query))
        except LoginFailed as failed:
            return {"errcode": failed.errcode, "errmsg": f"{failed.errmsg}, rid: {time.time_ns():x}"}


_ERROR_TEXTS: Final = {_DEFAULT_ERROR: "系统超时", _TOO_FREQUENT: "频率限制"}


def _failure(code: str) -> Declined:
    return Declined(code, _ERROR_TEXTS.get(code, "系统错误"))


def _query(scope: Scope) -> str:
    raw = scope.get("query_string", b"")
    return raw.decode("latin-1") if isinstance(raw, bytes) else ""


async def _fails_before(fault: Fault, scope: Scope, send: Send) -> bool:
    """Apply what happens before the call takes effect; True when that was all."""
    if fault.kind in _UNSENT:
        await cut(scope, send)
        return True
    if fault.kind == "http_502_html" and not fault.flag("with_effect"):
        await send_body(send, _BAD_GATEWAY, status=502, content_type="text/html")
        return True
    if fault.kind == "redirect":
        location = fault.text("location", "https://redirected.invalid/")
        await send_body(send, b"", status=302, content_type="text/html", location=location)
        return True
    if fault.kind == "delay" and fault.text("when", "after") == "before":
        await asyncio.sleep(fault.number("ms", 1000) / 1000)
    return False


async def _deliver(
    body: bytes, fault: Fault | None, scope: Scope, send: Send, content_type: str = "text/xml; charset=utf-8"
) -> None:
    """Send the answer as the fault would have it, after the call took effect."""
    kind = "" if fault is None else fault.kind
    if fault is None or kind not in _SENDERS:
        await send_body(send, body, content_type=content_type)
        return
    if kind == "drop_answer_after_effect":
        await cut(scope, send)
    elif kind == "http_502_html":
        await send_body(send, _BAD_GATEWAY, status=502, content_type="text/html")
    elif kind == "empty_body":
        await send_body(send, b"", content_type=content_type)
    elif kind == "oversized_body":
        await flood(send, body, fault.number("bytes", 2 * 1024 * 1024))
    elif kind == "slow_drip":
        await drip(send, body, fault.number("interval_ms", 1000) / 1000)
    else:
        if fault.text("when", "after") == "after":
            await asyncio.sleep(fault.number("ms", 1000) / 1000)
        await send_body(send, body, content_type=content_type)


_SENDERS: Final = frozenset(
    {"drop_answer_after_effect", "http_502_html", "empty_body", "oversized_body", "slow_drip", "delay"}
)


def _facts(path: str, answer: Answer, reason: str, fault: Fault | None, started: float) -> dict[str, object]:
    """Return what the log may say about a call: codes and numbers, never values that were signed."""
    facts: dict[str, object] = {"path": path, "ms": round((time.monotonic() - started) * 1000, 1)}
    for name in ("return_msg", "mch_id", "sub_mch_id", "result_code", "err_code", "err_code_des"):
        if answer.fields.get(name):
            facts[name] = answer.fields[name]
    if reason:
        facts["reason"] = reason
    if fault is not None:
        facts["fault"] = fault.kind
    return facts
