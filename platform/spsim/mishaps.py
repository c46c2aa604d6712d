"""What faults do around a call, whichever API it speaks: before it takes effect, and to its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from litestar.types import Scope, Send

from . import payer, refund_books
from .faults import HELD, Fault
from .notifier import Notifier
from .transport import Reply, cut, drip, flood, send_reply
from .world import World

_BAD_GATEWAY: Final = Reply(
    b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>", 502, "text/html"
)
_UNSENT: Final = frozenset({HELD, "drop_before_effect"})


async def fails_before(fault: Fault, scope: Scope, send: Send) -> bool:
    """Apply what happens before the call takes effect; True when that was all."""
    if fault.kind in _UNSENT:
        await cut(scope, send)
        return True
    if fault.kind == "http_502_html" and not fault.flag("with_effect"):
        await send_reply(send, _BAD_GATEWAY)
        return True
    if fault.kind == "redirect":
        location = fault.text("location", "https://redirected.invalid/")
        await send_reply(send, Reply(b"", 302, "text/html", {"location": location}))
        return True
    if fault.kind == "delay" and fault.text("when", "after") == "before":
        await asyncio.sleep(fault.number("ms", 1000) / 1000)
    return False


async def deliver(reply: Reply, fault: Fault | None, scope: Scope, send: Send) -> None:
    """Send the answer as the fault would have it, after the call took effect."""
    kind = "" if fault is None else fault.kind
    if fault is None or kind not in _SENDERS:
        await send_reply(send, reply)
    elif kind == "drop_answer_after_effect":
        await cut(scope, send)
    elif kind == "http_502_html":
        await send_reply(send, _BAD_GATEWAY)
    elif kind == "empty_body":
        await send_reply(send, Reply(b"", reply.status, reply.content_type, reply.headers))
    elif kind == "oversized_body":
        await flood(send, reply, fault.number("bytes", 2 * 1024 * 1024))
    elif kind == "slow_drip":
        await drip(send, reply, fault.number("interval_ms", 1000) / 1000)
    else:
        if fault.text("when", "after") == "after":
            await asyncio.sleep(fault.number("ms", 1000) / 1000)
        await send_reply(send, reply)


_SENDERS: Final = frozenset(
    {"drop_answer_after_effect", "http_502_html", "empty_body", "oversized_body", "slow_drip", "delay"}
)


@dataclass(frozen=True, slots=True)
class Overtaker:
    """Lets a notification arrive before the answer to the call it is about (catalogue Z01, Z11)."""

    world: World
    notifier: Notifier

    async def overtake(self, fault: Fault, mch_id: str, out_trade_no: str, out_refund_no: str) -> None:
        """Pay the order, or end the refund, that the call was about, and wait until that was told."""
        if fault.kind == "pay_before_answer":
            cashier = payer.find_cashier(self.world, out_trade_no=out_trade_no, mch_id=mch_id)
            if cashier.trade.state == "NOTPAY":
                payer.settle(self.world, cashier, None)
                await self.notifier.settled(cashier.trade)
            await asyncio.sleep(fault.number("ms", 0) / 1000)
        if fault.kind == "settle_before_answer":
            made = refund_books.by_number(self.world, mch_id, out_refund_no)
            if made is not None and made.status == "PROCESSING":
                refund_books.settle(self.world, made, "SUCCESS")
                await self.notifier.settled(refund_books.trade_of(self.world, made))
            await asyncio.sleep(fault.number("ms", 0) / 1000)
