"""Routes of mini-program login; the answer never contains session_key or AppSecret."""

from __future__ import annotations

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from sptenants.registry.access import access
from sptenants.sessions.guards import provide_current_session
from sptenants.sessions.schemas import CreateSession, SessionCreated, SessionStatus
from sptenants.sessions.service import CurrentSession, Sessions


class MiniSessionController(Controller):
    path = "/v1/mini/{tenant_id:str}"
    tags = ("mini-program",)

    @post("/sessions", opt=access("mini", "anyone"), summary="用 wx.login 的 code 换取会话")
    async def create(
        self,
        tenant_id: FromPath[str],
        data: JSONBody[CreateSession],
        sessions: NamedDependency[Sessions],
    ) -> SessionCreated:
        return SessionCreated.of(await sessions.create(tenant_id, data.sub_appid, data.code))

    @get(
        "/session",
        opt=access("mini", "mini_session"),
        dependencies={"current_session": Provide(provide_current_session)},
        summary="会话是否仍然有效（wx.checkSession 的服务端）",
    )
    async def show(self, current_session: NamedDependency[CurrentSession]) -> SessionStatus:
        return SessionStatus.of(current_session)
