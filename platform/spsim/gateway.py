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

from . import payer, trades
from .admission import Call, Declined, Refused, admit
from .answers import Answer, declined, done, refusal
from .faults import HELD, LOGIN, Fault, Faults
from .fields import CLOSEORDER, ORDERQUERY, UNIFIEDORDER, Endpoint
from .login import LoginFailed, exchange
from .notifier import Notifier
from .orders import closeorder, orderquery, unifiedorder
from .registry import another_sub_merchant
from .transport import cut, drip, flood, read_body, send_body
from .wire import MAX_BODY
from .world import World

_Rule = Callable[[World, Call], dict[str, str]]
_BAD_GATEWAY: Final = b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
_UNSENT: Final = frozenset({HELD, "drop_before_effect"})
_DEFAULT_ERROR: Final = "SYSTEMERROR"
_TOO_FREQUENT: Final = "FREQUENCY_LIMITED"

_log = logging.getLogger(__name__)


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
        )
        return [*(self._v2(endpoint, rule) for endpoint, rule in rules), self._login()]

    def _v2(self, endpoint: Endpoint, rule: _Rule) -> ASGIRouteHandler:
        @asgi(endpoint.path, copy_scope=False)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.monotonic()
            body = await read_body(receive, MAX_BODY)
            fault = self.faults.take(endpoint.path)
            if fault is not None and await _fails_before(fault, scope, send):
                return
            answer, reason = self._answer(endpoint, rule, str(scope.get("method", "")), body, fault)
            _log.info("call", extra={"facts": _facts(endpoint.path, answer, reason, fault, started)})
            if fault is not None and fault.kind == "pay_before_answer" and answer.call is not None:
                await self._pay_first(answer.call, fault)
            if fault is not None and fault.kind == "echo_other_order":
                answer = self._cross_wired(answer)
            await _deliver(answer.body(), fault, scope, send)

        return handle

    def _answer(
        self, endpoint: Endpoint, rule: _Rule, method: str, body: bytes, fault: Fault | None
    ) -> tuple[Answer, str]:
        """Return the answer to a call and, for the log, why it was not a success."""
        try:
            call = admit(self.world.ledger, endpoint, method, body)
        except Refused as refused:
            return refusal(refused), refused.detail
        kind = "" if fault is None else fault.kind
        try:
            if fault is not None and kind in {"error_without_effect", "frequency_limited"}:
                code = (
                    _TOO_FREQUENT if kind == "frequency_limited" else fault.text("err_code", _DEFAULT_ERROR)
                )
                raise Declined(code, _ERROR_TEXTS.get(code, "系统错误"))
            fields = rule(self.world, call)
            if fault is not None and kind == "error_with_effect":
                code = fault.text("err_code", _DEFAULT_ERROR)
                raise Declined(code, _ERROR_TEXTS.get(code, "系统错误"))
        except Refused as refused:
            return refusal(refused), refused.detail
        except Declined as reason:
            return declined(call, reason), ""
        answer = done(call, fields)
        if kind == "wrong_answer_signature":
            answer = replace(answer, broken_sign=True)
        if kind == "missing_answer_signature":
            answer = replace(answer, no_sign=True)
        return answer, ""

    async def _pay_first(self, call: Call, fault: Fault) -> None:
        """Let the payer pay, and the notification arrive, before the order's own answer leaves (Z01)."""
        cashier = payer.find_cashier(
            self.world, out_trade_no=call.get("out_trade_no"), mch_id=call.provider.mch_id
        )
        if cashier.trade.state == "NOTPAY":
            payer.settle(self.world, cashier, None)
            await self.notifier.settled(cashier.trade)
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
