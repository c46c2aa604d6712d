"""Mini-program login: a `wx.login` code becomes an openid.

Source: wechatpay-v2 8.1. The app secret travels in the query string, so nothing here keeps,
shows or logs an address; `Transport` works below the layer of httpx that would log it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from wechatpay.call import CallRecord, safe_message
from wechatpay.errors import InvalidRequest, UnknownOutcome, WechatPayError
from wechatpay.explain import explain
from wechatpay.identifiers import AppId, InvalidIdentifier, OpenId
from wechatpay.transport import RawAnswer, Transport

_OPERATION = "jscode2session"
_PATH = "/sns/jscode2session"
_CODE = re.compile(r"[0-9A-Za-z_\-]{1,128}")
_MAX_BYTES = 64 * 1024


class LoginRefused(WechatPayError):
    """WeChat gave no session for this code. `retry`: the same code may still be good later."""

    def __init__(self, errcode: int, zh: str, en: str, *, retry: bool) -> None:
        super().__init__(f"login refused: {errcode}")
        self.errcode = errcode
        self.zh = zh
        self.en = en
        self.retry = retry


@dataclass(frozen=True, slots=True)
class LoginResult:
    """Who logged in, under the appid asked for. `session_key` is a secret and not needed to pay."""

    openid: OpenId
    session_key: str = field(repr=False)
    unionid: str | None = field(repr=False)
    call: CallRecord


class MiniProgramLogin:
    """jscode2session over one transport to WeChat's API host."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def exchange(self, appid: AppId, secret: str, code: str) -> LoginResult:
        """Trade a code (five minutes, one use) for the user's openid under `appid`.

        Raises InvalidRequest before sending, LoginRefused, NotSent, UnknownOutcome.
        """
        if _CODE.fullmatch(code) is None:
            raise InvalidRequest("code", "不是 wx.login 返回的 code", "is not a code from wx.login")
        if not secret:
            raise InvalidRequest("app_secret", "小程序 AppSecret 未配置", "the AppSecret is not configured")
        params = {
            "appid": appid.text,
            "secret": secret,
            "js_code": code,
            "grant_type": "authorization_code",
        }
        record = CallRecord(_OPERATION, _PATH, http_status=None, elapsed_ms=0)
        started = time.monotonic()
        try:
            raw = await self._transport.get_json(_PATH, params)
        except WechatPayError as error:
            error.call = replace(record, elapsed_ms=round((time.monotonic() - started) * 1000))
            raise
        record = replace(record, http_status=raw.status, elapsed_ms=raw.elapsed_ms)
        try:
            answer = _document(raw)
            errcode = _errcode(answer)
            if errcode:
                record = replace(
                    record,
                    err_code=str(errcode),
                    err_message=safe_message(str(answer.get("errmsg", ""))) or None,
                )
                raise _refusal(errcode)
            return _login(answer, record)
        except WechatPayError as error:
            error.call = record
            raise


def _document(raw: RawAnswer) -> Mapping[str, Any]:
    """The JSON object answered, whatever its content type says (it is often text/plain)."""
    if raw.status != 200:
        raise UnknownOutcome(f"http_{raw.status}")
    if len(raw.body) > _MAX_BYTES:
        raise UnknownOutcome("oversized")
    try:
        answer = json.loads(raw.body.decode("utf-8"))
    except (ValueError, RecursionError):
        # Raised below, outside of this block: a JSON error carries the whole document.
        answer = None
    if not isinstance(answer, dict):
        raise UnknownOutcome("malformed")
    return answer


def _errcode(answer: Mapping[str, Any]) -> int:
    errcode = answer.get("errcode", 0)
    if type(errcode) is not int:
        raise UnknownOutcome("malformed")
    return errcode


def _refusal(errcode: int) -> WechatPayError:
    known = explain(_OPERATION, str(errcode))
    if known is None:
        return LoginRefused(
            errcode,
            "微信登录失败，请让小程序重新调用 wx.login",
            "WeChat refused the login; let the mini-program call wx.login again",
            retry=False,
        )
    return LoginRefused(errcode, known.cause_zh, known.cause_en, retry=known.retry_safe)


def _login(answer: Mapping[str, Any], record: CallRecord) -> LoginResult:
    openid, session_key, unionid = (answer.get(name) for name in ("openid", "session_key", "unionid"))
    if not isinstance(openid, str) or not isinstance(session_key, str):
        raise UnknownOutcome("malformed")
    if unionid is not None and not isinstance(unionid, str):
        raise UnknownOutcome("malformed")
    try:
        return LoginResult(OpenId(openid), session_key, unionid or None, record)
    except InvalidIdentifier:
        raise UnknownOutcome("malformed") from None
