"""What goes in and out of the session routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from sptenants.registry.schemas import AppIdText, wire_time
from sptenants.sessions.service import CurrentSession, NewSession

_EXPIRES_AT = "2026-11-21T16:32:08+08:00"


class CreateSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sub_appid: AppIdText
    code: Annotated[
        str,
        Meta(description="wx.login 返回的 code，五分钟内有效，只能用一次", examples=["0a3Xk1000bZ4R018Yt2"]),
    ]


class SessionCreated(msgspec.Struct, frozen=True):
    """Never the session_key, never the secret (S1-05, O08)."""

    token: Annotated[
        str,
        Meta(
            description="作为 Bearer 令牌用于 /v1/mini/{tenant_id} 下的请求",
            examples=["wst_01JD3K8W7Q4M6X0B2T9V5H1CZNq0m4Xb7Tz1cKe9Vw2Rp5Ld8Gs3Jy6Hn0"],
        ),
    ]
    expires_at: Annotated[datetime, Meta(examples=[_EXPIRES_AT])]

    @classmethod
    def of(cls, new: NewSession) -> SessionCreated:
        return cls(token=new.token, expires_at=wire_time(new.expires_at))


class SessionStatus(msgspec.Struct, frozen=True):
    expires_at: Annotated[datetime, Meta(examples=[_EXPIRES_AT])]

    @classmethod
    def of(cls, current: CurrentSession) -> SessionStatus:
        return cls(expires_at=wire_time(current.expires_at))
