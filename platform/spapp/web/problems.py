"""Answers to errors: problem details (RFC 9457), and the only place where an error becomes an HTTP status.

Codes and statuses: console-and-api-design section 9, "Errors".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Method
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from spapp.web import validation
from spapp.web.i18n import LANGUAGE_COOKIE, choose_language, said
from spcore.errors import DomainError, InvalidInput, NotFound, Text

AnyRequest = Request[Any, Any, State]
PageMaker = Callable[[AnyRequest, "Problem"], Response[Any]]

CONTENT_TYPE = "application/problem+json"

_log = structlog.get_logger("wxsp.web")

_PROBLEMS: Mapping[str, tuple[int, Text]] = {
    "malformed_json": (400, Text("请求体不是有效的 JSON", "The body is not valid JSON")),
    "bad_request": (400, Text("请求无法理解", "The request cannot be understood")),
    "unauthenticated": (401, Text("未通过身份验证", "Not authenticated")),
    "session_expired": (401, Text("会话已过期", "The session has expired")),
    "second_factor_needed": (401, Text("登录尚未完成", "Signing in is not complete")),
    "second_factor_refused": (401, Text("验证码不正确", "The code is wrong")),
    "sign_in_refused": (401, Text("登录失败", "Signing in failed")),
    "forbidden": (403, Text("没有权限", "Not allowed")),
    "second_factor_missing": (403, Text("需要设置两步验证", "Two-step verification is not set up")),
    "csrf_refused": (403, Text("请求来源无法确认", "The origin of the request cannot be confirmed")),
    "tenant_not_live": (403, Text("商户尚未上线", "The merchant is not live")),
    "binding_not_verified": (403, Text("AppID 绑定不可用", "The app binding cannot be used")),
    "not_found": (404, Text("不存在", "Not found")),
    "method_not_allowed": (405, Text("不支持的请求方法", "Method not allowed")),
    "request_timeout": (408, Text("请求体发送过慢", "The body arrived too slowly")),
    "in_progress": (409, Text("相同的请求正在处理", "The same request is being worked on")),
    "state_conflict": (409, Text("当前状态不允许此操作", "The current state does not allow this")),
    "key_change_refused": (409, Text("密钥现在不能这样更改", "The key cannot be changed this way now")),
    "nothing_to_adopt": (409, Text("没有可补录的收款", "There is no payment to adopt")),
    "link_expired": (410, Text("链接已失效", "The link has expired")),
    "payload_too_large": (413, Text("请求体过大", "The body is too large")),
    "unsupported_media_type": (415, Text("不支持的内容类型", "Unsupported media type")),
    "invalid_request": (422, Text("请求参数有误", "The request is invalid")),
    "amount_exceeds_refundable": (422, Text("超出可退金额", "More than can be refunded")),
    "idempotency_conflict": (422, Text("编号已用于另一请求", "Already used for another request")),
    "weak_password": (422, Text("密码强度不足", "The password is too weak")),
    "wechat_rejected": (422, Text("微信支付拒绝了请求", "WeChat Pay refused the request")),
    "rate_limited": (429, Text("请求过于频繁", "Too many requests")),
    "internal": (500, Text("服务内部错误", "Internal error")),
    "provider_not_ready": (503, Text("服务商配置未完成", "The service provider is not set up")),
    "wechat_unavailable": (503, Text("微信支付暂时无法访问", "WeChat Pay cannot be reached")),
    "overloaded": (503, Text("服务繁忙", "Too busy")),
    "unavailable": (503, Text("服务暂时不可用", "Temporarily unavailable")),
}

_DETAILS: Mapping[str, Text] = {
    "bad_request": Text("请检查地址、参数和请求头。", "Check the address, parameters and headers."),
    "forbidden": Text("请使用有权限的账号。", "Use an account that may do this."),
    "not_found": Text("没有这个对象，或它不属于你。", "No such object, or it is not yours."),
    "method_not_allowed": Text(
        "这个地址不支持该方法，见 Allow 响应头。", "This address does not take that method; see Allow."
    ),
    "payload_too_large": Text("请减小请求体后重试。", "Send a smaller body."),
    "unsupported_media_type": Text("请以 application/json 发送。", "Send application/json."),
    "internal": Text(
        "错误已记录，反馈时请附上 request_id。", "It was logged; name the request_id when you report it."
    ),
    "unavailable": Text("数据库暂时无法访问，请稍后重试。", "The database cannot be reached; try later."),
}

_CODE_OF_STATUS: Mapping[int, str] = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}

_METHODS: tuple[Method, ...] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")

_DATABASE_DOWN = (OperationalError, InterfaceError, PoolTimeout, ConnectionError)


class MalformedJson(DomainError):
    """The body is not one strict JSON document (failure catalogue X11)."""

    code = "malformed_json"


class Overloaded(DomainError):
    """More requests at once than this process takes; notifications have their own share (Q01)."""

    code = "overloaded"
    retry_after_s = 1

    def __init__(self) -> None:
        super().__init__(Text("服务繁忙，请稍后重试。", "Too busy; try again in a moment."))


class BodyTooSlow(DomainError):
    """The body did not arrive within its deadline (failure catalogue X09)."""

    code = "request_timeout"

    def __init__(self) -> None:
        super().__init__(Text("请求体未在规定时间内送达。", "The body did not arrive in time."))


@dataclass(frozen=True, slots=True)
class Problem:
    """One error, ready to be shown: as JSON by `to_json`, or on a page."""

    status: int
    code: str
    title: str
    detail: str
    request_id: str
    instance: str
    errors: tuple[Mapping[str, str], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        body = {
            "type": f"/problems/{self.code.replace('_', '-')}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": self.instance,
            "code": self.code,
            "request_id": self.request_id,
            "errors": list(self.errors),
            "wechat": None,
            **self.extra,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def known_codes() -> frozenset[str]:
    return frozenset(_PROBLEMS)


def problem_of(request: AnyRequest, error: Exception) -> Problem:
    """Describe `error` in the caller's language, without anything that was not meant for callers."""
    accepted = request.headers.get("accept-language", "")
    language = choose_language(request.cookies.get(LANGUAGE_COOKIE), accepted)
    if isinstance(error, ValidationException):
        error = validation.as_refusal(error)
    code, detail = _code(error), _DETAILS.get(_code(error))
    status, title = _PROBLEMS[code]
    faults: tuple[Mapping[str, str], ...] = ()
    extra: Mapping[str, Any] = {}
    if isinstance(error, DomainError):
        detail, extra = error.text, error.extra
        if isinstance(error, InvalidInput):
            faults = tuple(
                {"pointer": fault.pointer, "code": fault.code, "detail": said(fault.text, language)}
                for fault in error.faults
            )
    return Problem(
        status=status,
        code=code,
        title=said(title, language),
        detail=said(detail or title, language),
        request_id=request.scope["state"].get("request_id", ""),
        instance=request.scope["path"],
        errors=faults,
        extra=extra,
        headers=_headers(request, error, code),
    )


def to_response(problem: Problem) -> Response[bytes]:
    return Response(
        problem.to_json(),
        status_code=problem.status,
        media_type=CONTENT_TYPE,
        headers=dict(problem.headers),
    )


def handler(
    is_page: Callable[[AnyRequest], bool],
    page: PageMaker,
    note: Callable[[AnyRequest, Exception], None] | None = None,
) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """Return the application's exception handler: a page for people, problem details for programs.

    `note` is told of every error before it is answered.
    """

    def answer(request: AnyRequest, error: Exception) -> Response[Any]:
        if note is not None:
            note(request, error)
        problem = problem_of(request, error)
        if problem.code == "internal":
            _log.error("request.failed", request_id=problem.request_id, exc_info=error)
        elif problem.code == "unavailable":
            _log.error("request.database_down", request_id=problem.request_id, error=type(error).__name__)
        return page(request, problem) if is_page(request) else to_response(problem)

    return answer


def _code(error: Exception) -> str:
    if isinstance(error, DomainError):
        return error.code
    if isinstance(error, HTTPException):
        other = "bad_request" if error.status_code < 500 else "internal"
        return _CODE_OF_STATUS.get(error.status_code, other)
    return "unavailable" if isinstance(error, _DATABASE_DOWN) else "internal"


def _headers(request: AnyRequest, error: Exception, code: str) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if code == "method_not_allowed":
        headers["Allow"] = ", ".join(_allowed_methods(request))
    if code in {"unauthenticated", "session_expired"}:
        headers["WWW-Authenticate"] = 'Bearer realm="wxsp"'
    wait_s = error.retry_after_s if isinstance(error, DomainError) else 5 if code == "unavailable" else None
    if wait_s is not None:
        headers["Retry-After"] = str(wait_s)
    return headers


def _allowed_methods(request: AnyRequest) -> list[Method]:
    """Return what may be done at an address; the framework says only what may not."""
    allowed: list[Method] = []
    for method in _METHODS:
        try:
            request.app.asgi_router.handle_routing(request.scope["path"], method)
        except HTTPException:
            continue
        allowed.append(method)
    return allowed


def explain(code: str) -> str:
    """Return a problem's title in both languages and its status. Raises NotFound for a code of nobody."""
    if code not in _PROBLEMS:
        raise NotFound()
    status, title = _PROBLEMS[code]
    return f"{code}\nHTTP {status}\n{title.zh}\n{title.en}\n"
