"""The address WeChat calls: raw bytes in, one exact answer out. No sign-in, no cookie, no query (N13)."""

from __future__ import annotations

import json
from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.params import FromPath

from sptenants.notify.challenge import KIND as PROBE
from sptenants.notify.challenge import Challenges
from sptenants.notify.journal import Incoming
from sptenants.notify.refund_hints import RefundNotices
from sptenants.notify.service import Answer, NotifyService
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
            headers=dict(request.headers),
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
        else:
            answer = await notify.not_in_use(route_key, incoming, "not_in_use")
        return _respond(answer, version)


def _respond(answer: Answer, version: str) -> Response[bytes]:
    if version == "v3" and not answer.settled:
        # With v3 the status alone decides; a 200 would count as success whatever the body says.
        body = json.dumps({"code": "FAIL", "message": "not in use"}).encode()
        return Response(body, status_code=400, media_type="application/json")
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type)
