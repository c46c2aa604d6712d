"""Fifty refunds at once that are more than was paid, and the web killed in between (F01, F02, D01).

Over the real programs, on both databases: at no instant is more given back than was paid.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import COFFEE, PATIENCE_S, Installation, installed, new_openid
from tests.support.later import healed
from tests.support.witness import Witness

PAID, EACH, ASKED = 10_000, 400, 50
MERCHANTS = 10
_ALIVE = ("PROCESSING", "SUCCESS", "CHANGE")


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("refunds")
    url = sqlite_url(folder) if request.param == "sqlite" else postgres_url()
    with installed(folder, url) as made:
        yield made


@dataclass
class Onlooker:
    """Reads both books again and again, and remembers the most that was ever given back."""

    house: Installation
    order: dict[str, Any]
    looks: int = 0
    most_at_wechat: int = 0
    most_here: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        while not self._over.is_set():
            given = sum(r["amount"] for r in self.house.books()["refunds"] if r["status"] in _ALIVE)
            self.most_at_wechat = max(self.most_at_wechat, given)
            with contextlib.suppress(httpx.TransportError):  # the web is dead for a while
                seen = self.house.read(COFFEE, self.order["id"])
                self.most_here = max(self.most_here, seen["refunded_amount"] + seen["refunding_amount"])
                self.looks += 1

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        with ThreadPoolExecutor(1) as thread:
            watched = thread.submit(self.watch)
            try:
                yield
            finally:
                self._over.set()
                watched.result()


def ask(house: Installation, order_id: str, number: str, unanswered: list[str]) -> httpx.Response:
    """Ask for a refund until there is an answer, as a merchant's server does: always the same refund."""
    body = {"merchant_refund_no": number, "amount": EACH, "reason": "并发退款"}
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            answer = house.call("POST", f"/v1/orders/{order_id}/refunds", house.tenants[COFFEE].key, body)
        except httpx.TransportError:
            unanswered.append(number)
            time.sleep(0.1)
        else:
            # Somebody may still be at work on it: the lease of the killed web has to end first.
            if answer.status_code < 500 and not _is_running(answer):
                return answer
            time.sleep(0.5)
            healed(house, 2)
        assert time.monotonic() < deadline


def _is_running(answer: httpx.Response) -> bool:
    return answer.status_code == 409 and answer.json()["code"] == "in_progress"


@pytest.mark.slow
def test_F01_F02_D01_fifty_refunds_at_once_and_a_crash_never_give_back_more_than_was_paid(
    shop: Installation,
) -> None:
    house, witness = shop, Witness(shop)
    order = house.order(COFFEE, amount=PAID)
    house.control("pay", {"out_trade_no": order["out_trade_no"], "openid": new_openid()})
    house.until(COFFEE, order["id"], "paid")
    house.control("settlement", {"after_s": 0.5})
    numbers = [f"R{secrets.token_hex(8)}" for _ in range(ASKED)]
    unanswered: list[str] = []
    onlooker = Onlooker(house, order)

    with onlooker.watching(), ThreadPoolExecutor(MERCHANTS) as merchants:
        asking = [merchants.submit(ask, house, order["id"], number, unanswered) for number in numbers]
        deadline = time.monotonic() + PATIENCE_S
        while len(house.books()["refunds"]) < 2:
            assert time.monotonic() < deadline
        witness.kill()
        witness.restart()
        answers = [asked.result() for asked in asking]
        for minutes in range(1, 40, 2):
            if not _open_refunds(witness):
                break
            healed(house, minutes)
            time.sleep(0.2)

    assert _open_refunds(witness) == []
    refunds = _every_refund(house)
    made = {refund["id"]: refund for refund in refunds}
    theirs = {refund["out_refund_no"]: refund for refund in house.books()["refunds"]}
    accepted = [answer.json() for answer in answers if answer.is_success]
    refused = [answer.json() for answer in answers if not answer.is_success]
    assert unanswered, "no refund was under way at the crash"
    # At every instant, here and there, and in the end to the fen.
    assert onlooker.looks > 0
    assert max(onlooker.most_here, onlooker.most_at_wechat) <= PAID
    assert sum(refund["amount"] for refund in theirs.values()) == PAID
    assert len(accepted) == PAID // EACH
    assert {problem["code"] for problem in refused} == {"amount_exceeds_refundable"}
    # INV 3 and 5: each promise is one refund, under one number, done on both sides.
    assert len({refund["out_refund_no"] for refund in refunds}) == len(refunds) == len(accepted)
    assert {refund["merchant_refund_no"] for refund in refunds} <= set(numbers)
    for promised in accepted:
        kept = made[promised["id"]]
        assert kept["out_refund_no"] == promised["out_refund_no"]
        assert (kept["status"], kept["amount"]) == ("succeeded", EACH)
        assert theirs[kept["out_refund_no"]]["status"] == "SUCCESS"
    seen = house.read(COFFEE, order["id"])
    assert (seen["refunded_amount"], seen["refunding_amount"], seen["refund_status"]) == (PAID, 0, "full")
    events = [event for event in witness.events(COFFEE) if event["type"] == "refund.succeeded"]
    assert sorted(event["data"]["id"] for event in events) == sorted(made)
    assert sorted(event["sequence"] for event in events) == list(range(2, len(made) + 2))


def _open_refunds(witness: Witness) -> list[tuple[Any, ...]]:
    open_ones = "'requested', 'submitting', 'processing', 'abnormal'"
    return witness.rows(f"SELECT id, status FROM refunds WHERE status IN ({open_ones})")


def _every_refund(house: Installation) -> list[Any]:
    page = house.call("GET", "/v1/refunds?limit=100", house.tenants[COFFEE].key).json()
    assert not page["has_more"]
    found: list[Any] = page["data"]
    return found
