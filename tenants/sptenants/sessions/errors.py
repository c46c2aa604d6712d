"""Refusals of a login, told apart by what helps."""

from __future__ import annotations

from spcore.errors import DomainError, Text
from wechatpay.errors import WechatPayError
from wechatpay.miniprogram import LoginRefused


class LoginRejected(DomainError):
    """WeChat gave no openid for the code; the texts come from the table of errcodes (wechatpay-v2 8.1)."""

    code = "wechat_rejected"

    def __init__(self, refusal: LoginRefused) -> None:
        super().__init__(Text(refusal.zh, refusal.en), extra={"wechat": _wechat(refusal)})


class LoginUnavailable(DomainError):
    """WeChat could not be asked or gave no clear answer; the page simply logs in again."""

    code = "wechat_unavailable"
    retry_after_s = 1

    def __init__(self, cause: WechatPayError) -> None:
        super().__init__(
            Text(
                "暂时无法向微信换取登录凭证，请稍后重新调用 wx.login 再试。",
                "WeChat cannot be asked at the moment; call wx.login again in a second.",
            ),
            extra={"wechat": _wechat(cause)},
        )


def _wechat(error: WechatPayError) -> dict[str, object] | None:
    call = error.call
    if call is None:
        return None
    return {
        "code": call.err_code,
        "message": call.err_message,
        "http_status": call.http_status,
        "request_id": call.request_id,
    }
