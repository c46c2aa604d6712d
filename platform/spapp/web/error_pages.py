"""Errors as pages: one sentence, the request's id to copy, and a way back. Never a stack trace."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, Response
from litestar.response import Redirect

from spapp.web.pages import here, is_htmx, page, way_back
from spapp.web.problems import Problem

_API_PREFIXES = ("/v1/", "/notify/", "/static/", "/openapi.json", "/healthz", "/readyz", "/metrics")

_MISSING = {
    "unauthenticated": "/login",
    "second_factor_needed": "/login/totp",
    "second_factor_missing": "/account/second-factor",
}
"""Where people give what a page misses, by the code of the problem."""

AnyRequest = Request[Any, Any, Any]


def is_page(request: AnyRequest) -> bool:
    """Whether whoever asked is a person with a browser."""
    if request.scope["path"].startswith(_API_PREFIXES):
        return False
    return is_htmx(request) or "text/html" in request.headers.get("accept", "")


def error_page(request: AnyRequest, problem: Problem) -> Response[Any]:
    """Lead whoever is not fully signed in to what is missing; show the problem to everybody else."""
    if (form := _MISSING.get(problem.code)) is not None:
        return _lead_to(request, form)
    answer = page(
        request,
        "errors/error.html",
        status=problem.status,
        code=problem.status,
        title=problem.title,
        detail=problem.detail,
        request_id=problem.request_id,
        back=way_back(request),
    )
    answer.headers.update(problem.headers)
    return answer


def _lead_to(request: AnyRequest, form: str) -> Response[Any]:
    wanted = here(request) if request.method == "GET" else way_back(request)
    leads_on = form.startswith("/login") and wanted != "/"
    target = f"{form}?next={quote(wanted, safe='')}" if leads_on else form
    if is_htmx(request):
        # htmx would put the form into the middle of the old page; this makes it load the form instead.
        return Response(b"", status_code=204, headers={"HX-Redirect": target})
    return Redirect(target, status_code=303)
