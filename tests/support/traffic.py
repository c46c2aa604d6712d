"""Steady business: merchants' servers that order without pause, and payers who pay at once."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from tests.support.installation import PATIENCE_S, Installation, new_openid


@dataclass
class Traffic:
    """What was ordered while it ran; `refused` are the answers that were neither 201 nor 202."""

    house: Installation
    sub_mch_id: str | None
    appid: str
    """Of JSAPI orders; every second one is paid by scanning a code instead."""
    merchants: int = 3
    orders: list[Any] = field(default_factory=list)
    refused: list[httpx.Response] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def running(self) -> Iterator[Traffic]:
        with ThreadPoolExecutor(self.merchants) as threads:
            working = [threads.submit(self._work) for _ in range(self.merchants)]
            try:
                yield self
            finally:
                self._over.set()
                for work in working:
                    work.result()

    def wait_for_more(self, count: int) -> None:
        """Let that many more orders be made."""
        wanted, deadline = len(self.orders) + count, time.monotonic() + PATIENCE_S
        while len(self.orders) < wanted:
            assert time.monotonic() < deadline, [answer.text for answer in self.refused[:3]]
            time.sleep(0.02)

    def _work(self) -> None:
        for number in itertools.count():
            if self._over.is_set():
                return
            openid = new_openid()
            way = {"trade_type": "JSAPI", "sub_appid": self.appid, "openid": openid} if number % 2 else {}
            answer = self.house.try_order(self.sub_mch_id, **way)
            if answer.status_code not in {201, 202}:
                self.refused.append(answer)
                continue
            order = answer.json()
            self.orders.append(order)
            if answer.status_code == 201:
                self.house.control("pay", {"out_trade_no": order["out_trade_no"], "openid": openid})
