"""The mouth of API v3: routing, checks, faults and signing around the rules (wechatpay-v3 10).

The order of checks: method (405) and path (404), both with an empty answer; then :mod:`spsim.v3.admission`
up to the schema and the caller's own number; then the rule: acceptance relation, appids, openids, state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from spsim import trades
from spsim.clock import http_date
from spsim.faults import Fault, Faults
from spsim.mishaps import Overtaker, deliver, fails_before
from spsim.notifier import Notifier
from spsim.registry import another_sub_merchant
from spsim.transport import Reply, dated, read_body, send_reply
from spsim.world import World

from . import answers
from .admission import MAX_BODY, Nonces, Received, admit
from .endpoint import Document, Endpoint, Request
from .failures import Failed

_DEFAULT_ERROR: Final = "SYSTEM_ERROR"
_STATUSES: Final = {
    "SYSTEM_ERROR": 500,
    "BANK_ERROR": 500,
    "BIZ_ERR_NEED_RETRY": 500,
    "OPENID_MISMATCH": 500,
    "INVALID_TRANSACTIONID": 500,
    "SERVICE_UNAVAILABLE": 503,
    "FREQUENCY_LIMITED": 429,
    "RATELIMIT_EXCEEDED": 429,
    "NO_AUTH": 403,
    "RULE_LIMIT": 403,
    "NOT_ENOUGH": 403,
    "OUT_TRADE_NO_USED": 403,
    "TRADE_ERROR": 403,
    "ACCOUNT_ERROR": 403,
    "USER_ACCOUNT_ABNORMAL": 403,
    "REQUEST_BLOCKED": 403,
    "ORDER_NOT_EXIST": 404,
    "RESOURCE_NOT_EXISTS": 404,
    "MCH_NOT_EXISTS": 404,
    "SIGN_ERROR": 401,
}
"""The status of a code that a fault names without one; 400 for the rest."""

_log = logging.getLogger(__name__)


class V3Gateway:
    """Serves the endpoints below `/v3`."""

    def __init__(
        self, world: World, faults: Faults, notifier: Notifier, endpoints: Sequence[Endpoint]
    ) -> None:
        self._world = world
        self._faults = faults
        self._notifier = notifier
        self._endpoints = tuple(endpoints)
        self._nonces = Nonces()
        self._overtaker = Overtaker(world, notifier)

    def handler(self) -> ASGIRouteHandler:
        """Return the handler of everything below `/v3`."""

        @asgi("/v3", is_mount=True, copy_scope=True)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.monotonic()
            send = dated(send, http_date(self._world.clock.now_ms()))
            headers = _headers(scope)
            received = Received(
                str(scope.get("method", "")),
                _target(scope),
                headers,
                await read_body(receive, MAX_BODY),
                f"{scope.get('scheme', 'http')}://{headers.get('host', '')}",
            )
            found = [endpoint for endpoint in self._endpoints if endpoint.match(received.path) is not None]
            endpoint = next((known for known in found if known.method == received.method), None)
            if endpoint is None:
                await send_reply(send, answers.empty(405 if found else 404))
                return
            fault = self._faults.take(endpoint.template)
            if fault is not None and await fails_before(fault, scope, send):
                return
            reply, request, reason = self._reply(endpoint, received, fault)
            _log.info("call", extra={"facts": _facts(endpoint, reply, request, reason, fault, started)})
            # A refund may end by itself soon, an echo is to be told: the notifier has to look when.
            self._notifier.wake()
            if fault is not None and request is not None:
                numbers = request.named("out_trade_no"), request.named("out_refund_no")
                await self._overtaker.overtake(fault, request.provider.mch_id, *numbers)
            await deliver(reply, fault, scope, send)

        return handle

    def _reply(
        self, endpoint: Endpoint, received: Received, fault: Fault | None
    ) -> tuple[Reply, Request | None, str]:
        """Return the answer to a call, the call if it was done, and for the log why it was not."""
        try:
            request = admit(self._world, self._nonces, endpoint, received)
            document = self._apply(endpoint, request, fault)
        except Failed as failure:
            # The payment paths name no request when they do not know who asks (wechatpay-v3 1.8).
            traced = endpoint.agent or failure.status != 401
            return answers.failed(failure, traced=traced), None, f"{failure.code} {failure.log}".strip()
        if isinstance(document, Reply):
            return document, request, ""
        if fault is not None and fault.kind == "echo_other_order" and document is not None:
            document |= self._of_another_order(request, document)
        named = request.wechatpay_serial
        try:
            reply = answers.done(self._world, request.provider, named, document, fault)
        except LookupError as nothing:
            return answers.failed(Failed(500, _DEFAULT_ERROR, "系统异常")), None, str(nothing)
        return reply, request, ""

    def _apply(self, endpoint: Endpoint, request: Request, fault: Fault | None) -> Document | Reply | None:
        """Apply the rule, unless a fault keeps it from taking effect or hides that it did."""
        failure = None if fault is None else _failure(fault)
        if fault is None or failure is None:
            return endpoint.rule(self._world, request)
        if fault.kind == "error_with_effect" or fault.flag("with_effect"):
            endpoint.rule(self._world, request)
        raise failure

    def _of_another_order(self, request: Request, document: Document) -> Document:
        """Return fields of an answer that belongs to another order (catalogue G05, G13)."""
        fields: Document = {}
        if "sub_mchid" in document:
            mine, mch_id = str(document["sub_mchid"]), request.provider.mch_id
            fields["sub_mchid"] = another_sub_merchant(self._world.ledger, mch_id, mine)
        elif "mchid" in document:
            fields["mchid"] = "1999999999"
        if "out_trade_no" in document:
            others = (trade.out_trade_no for trade in trades.every(self._world))
            mine = str(document["out_trade_no"])
            fields["out_trade_no"] = next(
                (number for number in others if number != mine), "another-order-0001"
            )
        return fields


def _failure(fault: Fault) -> Failed | None:
    """Return the error that a fault answers with, None when it does something else."""
    match fault.kind:
        case "error_without_effect" | "error_with_effect":
            code = fault.text("err_code", _DEFAULT_ERROR)
            return Failed(fault.number("status", _STATUSES.get(code, 400)), code, "系统繁忙，请稍后重试")
        case "http_429" | "frequency_limited":
            return Failed(429, "FREQUENCY_LIMITED", "频率限制，请降低请求频率")
        case "http_500":
            return Failed(500, _DEFAULT_ERROR, "系统异常，请稍后重试")
        case _:
            return None


def _target(scope: Scope) -> str:
    path, query = scope.get("raw_path", b""), scope.get("query_string", b"")
    target = path if isinstance(path, bytes) else b""
    return (target + b"?" + query if query else target).decode("latin-1")


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _facts(
    endpoint: Endpoint,
    reply: Reply,
    request: Request | None,
    reason: str,
    fault: Fault | None,
    started: float,
) -> dict[str, object]:
    """Return what the log may say about a call: codes and numbers, never values that were signed."""
    return {
        "path": endpoint.template,
        "status": reply.status,
        "ms": round((time.monotonic() - started) * 1000, 1),
        "mch_id": None if request is None else request.provider.mch_id,
        "reason": reason or None,
        "fault": None if fault is None else fault.kind,
    }
