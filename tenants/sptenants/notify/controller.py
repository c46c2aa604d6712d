"""The address WeChat calls: raw bytes in, one exact answer out. No sign-in, no cookie, no query (N13)."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import FromPath

from sptenants.notify.answers import Answer
from sptenants.notify.challenge import KIND as PROBE
from sptenants.notify.challenge import Challenges
from sptenants.notify.echoes import KIND as ECHO
from sptenants.notify.echoes import Echoes
from sptenants.notify.journal import Incoming
from sptenants.notify.refund_hints import RefundNotices
from sptenants.notify.service import NotifyService
from sptenants.registry.access import RequestFacts, access

MAX_BODY_BYTES = 64 * 1024


class NotifyController(Controller):
    path = "/notify/wechat"
    include_in_schema = False

    @post(
        "/{route_key:str}/{version:str}/{kind:str}",
        opt=access("notify", "wechat"),
        request_max_body_size=MAX_BODY_BYTES,
    )
    async def receive(
        self,
        request: Request[Any, Any, Any],
        route_key: FromPath[str],
        version: FromPath[str],
        kind: FromPath[str],
        notify: NamedDependency[NotifyService],
        refund_notices: NamedDependency[RefundNotices],
        echoes: NamedDependency[Echoes],
        challenges: NamedDependency[Challenges],
    ) -> Response[bytes]:
        try:
            body, too_large = await request.body(), False
        except RequestEntityTooLarge:
            body, too_large = b"", True
        if kind == PROBE and (met := challenges.answer(route_key, body)) is not None:
            return Response(met, status_code=200, media_type="text/xml")
        incoming = Incoming(
            version=version[:8],
            kind=kind[:32],
            body=body,
            headers=_joined(request),
            facts=RequestFacts.of(request),
        )
        if too_large:
            answer = await notify.not_in_use(route_key, incoming, "too_large")
        elif request.url.query:
            answer = await notify.not_in_use(route_key, incoming, "query_string")
        elif (version, kind) == ("v2", "payment"):
            answer = await notify.payment_v2(route_key, incoming)
        elif (version, kind) == ("v2", "refund"):
            answer = await refund_notices.refund_v2(route_key, incoming)
        elif (version, kind) == ("v3", "payment"):
            answer = await notify.payment_v3(route_key, incoming)
        elif (version, kind) == ("v3", "refund"):
            answer = await refund_notices.refund_v3(route_key, incoming)
        elif (version, kind) == ("v3", ECHO):
            answer = await echoes.receive(route_key, incoming)
        else:
            answer = await notify.not_in_use(route_key, incoming, "not_in_use")
        return _respond(answer)


def _joined(request: Request[Any, Any, Any]) -> dict[str, str]:
    """Return the headers by lower-case names; what stands there twice is joined and fits no form (N09)."""
    headers: dict[str, str] = {}
    for name, value in request.headers.multi_items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _respond(answer: Answer) -> Response[bytes]:
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type)
