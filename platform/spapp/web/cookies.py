"""The two cookies of the console (failure catalogue S10).

`__Host-` cookies need https, so an installation on plain http (a trial on this machine) uses plain names:
browsers would drop the others without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

AnyConnection = ASGIConnection[Any, Any, Any, Any]


@dataclass(frozen=True, slots=True)
class BrowserCookies:
    secure: bool

    @classmethod
    def under(cls, public_url: str) -> BrowserCookies:
        return cls(secure=public_url.startswith("https://"))

    @property
    def session_name(self) -> str:
        return "__Host-wxsp" if self.secure else "wxsp"

    @property
    def csrf_name(self) -> str:
        return "__Host-wxsp-csrf" if self.secure else "wxsp-csrf"

    def token(self, connection: AnyConnection) -> str | None:
        """Return the session token a browser presents; it proves nothing until looked up."""
        return connection.cookies.get(self.session_name)

    def session(self, token: str) -> Cookie:
        """Return the cookie of a new session. It ends with the browser; the server ends it earlier."""
        return self._cookie(self.session_name, token)

    def no_session(self) -> Cookie:
        return Cookie(
            key=self.session_name,
            value="",
            path="/",
            max_age=0,
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def csrf(self, token: str) -> Cookie:
        return self._cookie(self.csrf_name, token)

    def _cookie(self, name: str, value: str) -> Cookie:
        return Cookie(key=name, value=value, path="/", secure=self.secure, httponly=True, samesite="lax")
