"""What WeChat is told of a message, in the manner of its API.

By v2 every answer is HTTP 200 and the body says it all (wechatpay-v2 5.1); by v3 the status alone decides,
and a 2xx ends the repetitions whatever the body says (wechatpay-v3 3.4).
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from sptenants.notify.journal import Finding
from wechatpay.v2 import notify as v2

_JSON = "application/json"
_NOT_AUTHENTIC = frozenset(
    {"missing_header", "signature_type", "stale_timestamp", "unknown_serial", "probe", "bad_signature"}
)
NOT_READY = "provider_not_ready"
"""The reason of a message that could not be read because a key of ours is missing or does not open."""
_OUR_TROUBLE = {"undecryptable": 500, NOT_READY: 503}
_NOT_YET = {"unmatched": 404, "deferred": 503}


@dataclass(frozen=True, slots=True)
class Answer:
    """What WeChat is told; `settled` means that it may stop repeating the message."""

    body: bytes
    settled: bool
    status: int = 200
    content_type: str = "text/xml"


def answer_of(finding: Finding, version: str) -> Answer:
    """Return what WeChat is told of a finding, in the manner of the API `version` of the address."""
    if finding.settled:
        return Answer(b"", True, 204, _JSON) if version == "v3" else Answer(v2.ack(), settled=True)
    reason = finding.reason or finding.result
    return refusal(reason, version, _NOT_YET.get(finding.result) or _status_of(reason))


def refusal(reason: str, version: str, status: int = 400) -> Answer:
    """Return what makes WeChat repeat a message; `status` is told by v3 only, `reason` is a token of ours."""
    if version == "v3":
        body = json.dumps({"code": "FAIL", "message": reason}).encode()
        return Answer(body, settled=False, status=status, content_type=_JSON)
    return Answer(v2.nack(reason), settled=False)


def _status_of(reason: str) -> int:
    return 401 if reason in _NOT_AUTHENTIC else _OUR_TROUBLE.get(reason, 400)
