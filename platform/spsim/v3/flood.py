"""A flood of forged notifications, to see what they cost the receiver (catalogue N09, K03).

POST /_sim/v3/flood
    Post `count` (at most 10000) notifications with serials that nobody has to the notify URL of an order
    (`out_trade_no`, with `mch_id` when several providers have that number), `per_second` of them. It answers
    when the last one was answered: `sent`, `answers` (how many came back by status; `none` without one),
    `slowest_ms`, `seconds`. They are no deliveries: the ledger does not hold them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from typing import Final

import httpx

from spsim.control_input import ControlRefused, Document, bad_request, count, needed_text, only, seconds, text
from spsim.money_controls import MoneyControls
from spsim.notifier import ANSWER_WITHIN_S, Notifier
from spsim.registry import Provider, find_provider
from spsim.world import World

from . import letters

_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Flooding:
    """The control as a plain function from JSON to JSON."""

    world: World
    notifier: Notifier
    money: MoneyControls

    async def run(self, document: Document) -> Document:
        """Flood a notify URL and tell how it held out. Raises ControlRefused."""
        only(document, "out_trade_no", "mch_id", "count", "per_second")
        wanted, rate = count(document, "count", 100), seconds(document, "per_second", 50)
        if wanted is None or not 1 <= wanted <= _MOST or rate == 0:
            raise bad_request(f"count must be 1 to {_MOST}, per_second above 0")
        trade = self.money.find_trade(needed_text(document, "out_trade_no"), text(document, "mch_id"))
        provider, url = find_provider(self.world.ledger, trade.mch_id), trade.get("notify_url")
        if provider is None or not url:
            raise ControlRefused(409, "NO_NOTIFY_URL", "订单没有通知地址")
        started = time.monotonic()
        async with self.notifier.new_client() as client:
            posts = (self._post(client, provider, url, number / rate) for number in range(wanted))
            answers = await asyncio.gather(*posts)
        return {
            "sent": wanted,
            "answers": dict(Counter(status for status, _ms in answers)),
            "slowest_ms": max(ms for _status, ms in answers),
            "seconds": round(time.monotonic() - started, 3),
        }

    async def _post(
        self, client: httpx.AsyncClient, provider: Provider, url: str, after_s: float
    ) -> tuple[str, float]:
        """Post one in its time; return the status, or "none", and how long the answer took."""
        await asyncio.sleep(after_s)
        letter = letters.forged(self.world, provider, url)
        headers = {"Content-Type": "application/json", **letter.headers}
        started, status = time.monotonic(), "none"
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                status = str((await client.post(url, content=letter.body, headers=headers)).status_code)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError):
            pass
        return status, round((time.monotonic() - started) * 1000, 1)
