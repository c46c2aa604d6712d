"""Proof that a form was ours: a token, and where the browser says the request comes from (S02).

A signed-in person's token lives with the session. Before sign-in it lives in a cookie of its own, and the
form must repeat it: a foreign site can read neither.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.datastructures import State

from spapp.accounts.service import Staff
from spapp.web.cookies import BrowserCookies
from spcore.errors import DomainError, Text

FIELD = "csrf_token"
HEADER = "x-csrf-token"
STATE_NEW = "csrf_cookie"
"""Name in the request's state under which the middleware finds a token to set as a cookie."""

AnyRequest = Request[Any, Any, State]


class CsrfRefused(DomainError):
    code = "csrf_refused"

    def __init__(self) -> None:
        super().__init__(
            Text(
                "页面已过期，或请求不是从本站页面发出的。请刷新页面后重试。",
                "The page is out of date or the request did not come from it. Reload the page and try again.",
            )
        )


def token_for(request: AnyRequest, cookies: BrowserCookies, staff: Staff | None) -> str:
    """Return the token that a form on the page being rendered must carry in `csrf_token`."""
    if staff is not None:
        return staff.csrf_token
    token = request.cookies.get(cookies.csrf_name) or request.scope["state"].get(STATE_NEW)
    if not isinstance(token, str) or len(token) < 24:
        token = secrets.token_urlsafe(24)
        request.scope["state"][STATE_NEW] = token
    return token


async def check(request: AnyRequest, cookies: BrowserCookies, staff: Staff | None) -> None:
    """Raise CsrfRefused unless the request carries our token and comes from our own pages."""
    expected = staff.csrf_token if staff is not None else request.cookies.get(cookies.csrf_name, "")
    given = request.headers.get(HEADER) or await _from_form(request)
    if len(expected) < 24 or not hmac.compare_digest(expected.encode(), given.encode()):
        raise CsrfRefused()
    if not _is_same_origin(request):
        raise CsrfRefused()


def _is_same_origin(request: AnyRequest) -> bool:
    """Browsers send one of the two on every form; a request without either is not a browser's form."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


async def _from_form(request: AnyRequest) -> str:
    content_type = request.headers.get("content-type", "")
    if not content_type.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return ""
    value = (await request.form()).get(FIELD, "")
    return value if isinstance(value, str) else ""
