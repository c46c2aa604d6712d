"""Bills by API v2: downloadbill and downloadfundflow (wechatpay-v2 4.8, 4.9).

A bill is answered as text or gzip, a refusal as XML; none of them is signed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from litestar.handlers import ASGIRouteHandler, asgi
from litestar.types import Receive, Scope, Send

from spsim.admission import Call, Declined, Refused, admit, check_certificate
from spsim.api_keys import V2
from spsim.clock import http_date
from spsim.faults import Fault, Faults
from spsim.fields import DOWNLOADBILL, DOWNLOADFUNDFLOW, Endpoint
from spsim.mishaps import deliver, fails_before
from spsim.transport import NO_CERTIFICATE, Reply, client_certificate, dated, read_body, send_reply
from spsim.wire import MAX_BODY, write_xml
from spsim.world import World

from . import day as days
from . import making
from .day import NoBill, Why
from .writing import ALL, BILL_TYPES

_ACCOUNTS: Final = {"Basic": "BASIC", "Operation": "OPERATION", "Fees": "FEES"}
_SIGN_TYPE: Final = "HMAC-SHA256"
_TRADE_MESSAGES: Final = (
    ("签名错误", "SIGN ERROR"),
    ("appid和mch_id不匹配", "invalid appid"),
    ("商户号mch_id不存在", "invalid appid"),
    ("缺少参数", "missing parameter"),
    ("输入源“/body/xml/nonce_str”", "nonce_str too long"),
    ("请使用post方法", "require POST method"),
    ("post数据为空", "empty post data"),
)
"""How downloadbill says what the other paths say in Chinese, by how that begins; the rest is a format."""
_TRADE_CODES: Final = {"PARAM_ERROR": "20001", "SYSTEMERROR": "20003"}
_TRADE_WHY: Final = {
    Why.NO_SUCH_DATE: ("20001", "invalid bill_date"),
    Why.CREATING: ("20002", "Bill Creating"),
    Why.EMPTY: ("20002", "No Bill Exist"),
}
_FUND_WHY: Final = {
    Why.NO_SUCH_DATE: ("PARAM_ERROR", "bill_date无效"),
    Why.CREATING: ("BILL_CREATING", "账单生成中"),
    Why.EMPTY: ("NO_BILL_EXIST", "账单不存在"),
}
_NO_RELATION: Final = frozenset({"受理关系不存在", "子商户mchid不能与自身mchid相同"})
_Rule = Callable[[World, Call], bytes]
_Refusal = Callable[[Refused | Declined | NoBill], dict[str, str]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BillCalls:
    """Serves the bills of API v2."""

    world: World
    faults: Faults

    def handlers(self) -> list[ASGIRouteHandler]:
        """Return the route handlers of both paths."""
        return [
            self._serve(DOWNLOADBILL, _trade_bill, _trade_refusal),
            self._serve(DOWNLOADFUNDFLOW, _fund_bill, _fund_refusal),
        ]

    def _serve(self, endpoint: Endpoint, rule: _Rule, refusal: _Refusal) -> ASGIRouteHandler:
        @asgi(endpoint.path, copy_scope=False)
        async def handle(scope: Scope, receive: Receive, send: Send) -> None:
            started = time.monotonic()
            send = dated(send, http_date(self.world.clock.now_ms()))
            body = await read_body(receive, MAX_BODY)
            fault = self.faults.take(endpoint.path)
            if fault is not None and await fails_before(fault, scope, send):
                return
            shown = client_certificate(scope)
            if endpoint.certificate and shown is None:
                await send_reply(send, NO_CERTIFICATE)
                return
            told: dict[str, str] = {}
            try:
                call = admit(self.world.ledger, endpoint, str(scope.get("method", "")), body)
                check_certificate(self.world.ledger, call, shown)
                reply = self._bill(call, rule, fault)
            except (Refused, Declined, NoBill) as reason:
                told = refusal(reason)
                reply = Reply(write_xml(told))
            facts = {"path": endpoint.path, "ms": round((time.monotonic() - started) * 1000, 1), **told}
            _log.info("call", extra={"facts": facts | ({} if fault is None else {"fault": fault.kind})})
            await deliver(reply, fault, scope, send)

        return handle

    def _bill(self, call: Call, rule: _Rule, fault: Fault | None) -> Reply:
        kind = "" if fault is None else fault.kind
        if fault is not None and kind in {"error_without_effect", "error_with_effect"}:
            raise Declined(fault.text("err_code", "SYSTEMERROR"), "system error")
        if kind == "frequency_limited":
            raise Declined("FREQUENCY_LIMITED", "频率限制")
        if call.get("tar_type") not in {"", "GZIP"}:
            raise Declined("PARAM_ERROR", "invalid tar_type, Only GZIP supported")
        zipped = call.get("tar_type") == "GZIP"
        text = rule(self.world, call)
        return making.file(self.world, making.packed(text) if zipped else text, zipped=zipped)


def _trade_bill(world: World, call: Call) -> bytes:
    bill_type = call.get("bill_type") or ALL
    if bill_type not in BILL_TYPES:
        raise Declined("PARAM_ERROR", "invalid bill_type")
    day = days.read(call.get("bill_date"), "%Y%m%d")
    return making.trade_bill(world, call.provider, day, V2, call.get("sub_mch_id"), bill_type)


def _fund_bill(world: World, call: Call) -> bytes:
    if call.sign_type != _SIGN_TYPE:
        raise Declined("PARAM_ERROR", f"sign_type只支持{_SIGN_TYPE}")
    account = _ACCOUNTS.get(call.get("account_type"))
    if account is None:
        raise Declined("PARAM_ERROR", f"account_type只能为{'、'.join(_ACCOUNTS)}")
    day = days.read(call.get("bill_date"), "%Y%m%d")
    return making.own_fund_bill(world, call.provider, day, V2, account)


def _trade_refusal(reason: Refused | Declined | NoBill) -> dict[str, str]:
    """Write a refusal of downloadbill: it has an `error_code` and no result_code."""
    match reason:
        case NoBill():
            code, message = _TRADE_WHY[reason.why]
        case Declined():
            code = _TRADE_CODES.get(reason.err_code, reason.err_code)
            message = reason.description
        case _ if reason.message in _NO_RELATION:
            code, message = "20007", reason.message
        case _:
            texts = (text for start, text in _TRADE_MESSAGES if reason.message.startswith(start))
            code, message = "20001", next(texts, "data format error")
    return {"return_code": "FAIL", "return_msg": message, "error_code": code}


def _fund_refusal(reason: Refused | Declined | NoBill) -> dict[str, str]:
    if isinstance(reason, Refused):
        return {"return_code": "FAIL", "return_msg": reason.message}
    if isinstance(reason, NoBill):
        code, message = _FUND_WHY[reason.why]
    else:
        code, message = reason.err_code, reason.description
    outcome = {"result_code": "FAIL", "err_code": code, "err_code_des": message}
    return {"return_code": "SUCCESS", "return_msg": "OK"} | outcome
