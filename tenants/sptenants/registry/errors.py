"""Refusals at the door: who may not come in, and why. Wrong and missing credentials look alike."""

from __future__ import annotations

from spcore.errors import DomainError, Text


class Unauthenticated(DomainError):
    """No credential, or one that is malformed, unknown or revoked: the caller learns no more than that."""

    code = "unauthenticated"

    def __init__(self, text: Text | None = None) -> None:
        super().__init__(
            text
            or Text(
                "缺少有效的密钥：请在 Authorization 头中以 Bearer 方式携带未吊销的 API 密钥。",
                "No valid key: send an API key that is not revoked as a Bearer token in the Authorization"
                " header.",
            )
        )


class SessionExpired(DomainError):
    """A mini-program session that is over or never existed; a new wx.login helps (S2-01, S2-04)."""

    code = "session_expired"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "登录会话缺失或已过期（没有可用的 openid）：请重新调用 wx.login，并用新的 code 换取会话。",
                "The session is missing or over (no openid at hand): call wx.login again and trade the new"
                " code for a session.",
            )
        )


class Forbidden(DomainError):
    """The caller is known, but may not do this."""

    code = "forbidden"

    def __init__(self, text: Text) -> None:
        super().__init__(text)


class TenantNotLive(DomainError):
    """The sub-merchant does not take money at present (O13)."""

    code = "tenant_not_live"

    def __init__(self, status: str, tenant_id: str) -> None:
        super().__init__(
            Text(
                f"该特约商户当前状态为 {status}，未上线，不能调用接口：请联系服务商上线。",
                f"This sub-merchant is {status}, not live, and cannot be used: ask the service provider.",
            )
        )
        self.status = status
        self.tenant_id = tenant_id


class BindingNotVerified(DomainError):
    """The app is bound, but cannot be used as it stands; the text says what is missing."""

    code = "binding_not_verified"

    def __init__(self, text: Text) -> None:
        super().__init__(text)


class StateConflict(DomainError):
    """The object is not in a state from which this is possible, or somebody was faster."""

    code = "state_conflict"

    def __init__(self, text: Text) -> None:
        super().__init__(text)


class RateLimited(DomainError):
    """Too many requests of one caller; the others do not feel it (T10)."""

    code = "rate_limited"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            Text(
                f"请求过于频繁，请在 {retry_after_s} 秒后重试。",
                f"Too many requests; try again in {retry_after_s} s.",
            )
        )
        self.retry_after_s = retry_after_s
