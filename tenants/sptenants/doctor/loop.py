"""Calling our own notify address from outside, as far as that can be done from here (B-8, second depth).

The address is asked to open a challenge that only this installation can open. A notification from WeChat
would meet the same proxy, firewall and program; this one is known for what it is, acted upon by
nobody and written down nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sptenants.doctor.verdicts import Verdict
from sptenants.notify.challenge import KIND, Challenges
from sptenants.registry.notify_paths import notify_path
from wechatpay.errors import NotSent, WechatPayError
from wechatpay.transport import RawAnswer

DEADLINE_S = 5.0
"""WeChat takes a notification that is not answered by then for lost (wechatpay-v2 5.3)."""
_PAGE = b"<html"


class OwnAddress(Protocol):
    """A line to our own public address: no redirect followed, every certificate checked."""

    async def post_xml(
        self, path: str, body: bytes, *, deadline_s: float | None = None, repeatable: bool = True
    ) -> RawAnswer: ...

    async def aclose(self) -> None: ...


class SelfTest:
    """`address` makes a line to our own public address, for one call."""

    def __init__(
        self, address: Callable[[], OwnAddress], challenges: Challenges, *, deadline_s: float = DEADLINE_S
    ) -> None:
        self._address = address
        self._challenges = challenges
        self._deadline_s = deadline_s

    async def of(self, route_key: str) -> Verdict:
        """Call the notify address of a tenant and judge the answer."""
        challenge = self._challenges.issue(route_key)
        path, line = notify_path(route_key, "v2", KIND), self._address()
        try:
            answer = await line.post_xml(path, challenge.body, deadline_s=self._deadline_s)
        except WechatPayError as error:
            return _unanswered(error)
        finally:
            await line.aclose()
        if answer.status == 200 and challenge.expected in answer.body:
            return Verdict("notify.self_test")
        facts = {"status": answer.status}
        if 300 <= answer.status < 400:
            return Verdict("notify.self_test", "redirected", facts)
        if _PAGE in answer.body[:1024].lower() or "html" in answer.headers.get("content-type", ""):
            return Verdict("notify.self_test", "page", facts)
        return Verdict("notify.self_test", "other", facts)


def _unanswered(error: WechatPayError) -> Verdict:
    why = str(getattr(error, "reason", ""))
    if why == "timeout":
        return Verdict("notify.self_test", "slow")
    if isinstance(error, NotSent) and why == "untrusted":
        return Verdict("notify.self_test", "untrusted")
    return Verdict("notify.self_test", "unreachable", {"why": why})
