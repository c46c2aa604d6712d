"""WeChat's own paths: what the platform calls. Faults are applied here, around the rules."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from . import trades
from .admission import Call, Declined, Refused, admit, check_certificate
from .answers import Answer, declined, done, refusal
from .clock import http_date
from .codes import authcodetoopenid
from .faults import LOGIN, Fault, Faults
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
from .mishaps import Overtaker, deliver, fails_before
from .notifier import Notifier
from .orders import closeorder, orderquery, unifiedorder
from .refund_limits import RefundGate
from .refunds import refund, refundquery
from .registry import another_sub_merchant
from .transport import NO_CERTIFICATE, Reply, dated, read_body, send_reply
from .transport import client_certificate as shown_certificate
from .wire import MAX_BODY
from .world import World

_Rule = Callable[[World, Call], dict[str, str]]
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
    refund_gate: RefundGate

    def handlers(self) -> list[ASGIRouteHandler]:
        """Return the route handlers of all simulated paths."""
        rules: tuple[tuple[Endpoint, _Rule], ...] = (
            (UNIFIEDORDER, unifiedorder),
            (ORDERQUERY, orderquery),
            (CLOSEORDER, closeorder),
            (MICROPAY, micropay),
            (REVERSE, reverse),
            (AUTHCODETOOPENID, authcodetoopenid),
            (REFUND, self.refund_gate.around(refund)),
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
            if fault is not None and await fails_before(fault, scope, send):
                return
            received = _Received(str(scope.get("method", "")), body, shown_certificate(scope), fault)
            if endpoint.certificate and received.certificate is None:
                await send_reply(send, NO_CERTIFICATE)
                return
            answer, reason = self._answer(endpoint, rule, received)
            _log.info("call", extra={"facts": _facts(endpoint.path, answer, reason, fault, started)})
            if endpoint is REFUND:
                # It ends by itself soon: the notifier has to look when.
                self.notifier.wake()
            if fault is not None and (call := answer.call) is not None:
                overtaker = Overtaker(self.world, self.notifier)
                numbers = call.get("out_trade_no"), call.get("out_refund_no")
                await overtaker.overtake(fault, call.provider.mch_id, *numbers)
            if received.has("echo_other_order"):
                answer = self._cross_wired(answer)
            await deliver(Reply(answer.body()), fault, scope, send)

        return handle

    def _answer(self, endpoint: Endpoint, rule: _Rule, received: _Received) -> tuple[Answer, str]:
        """Return the answer to a call and, for the log, why it was not a success."""
        try:
            call = admit(self.world.ledger, endpoint, received.method, received.body)
        except Refused as refused:
            return refusal(refused), refused.detail
        try:
            check_certificate(self.world.ledger, call, received.certificate)
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
            if fault is not None and await fails_before(fault, scope, send):
                return
            answer = self._session(dict(parse_qsl(_query(scope), keep_blank_values=True)), fault)
            _log.info("call", extra={"facts": {"path": LOGIN, "errcode": answer.get("errcode", 0)}})
            body = json.dumps(answer, separators=(",", ":")).encode()
            await deliver(Reply(body, content_type="text/plain"), fault, scope, send)

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
