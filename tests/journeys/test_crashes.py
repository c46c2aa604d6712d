"""kill -9 of the web at the worst moments, over the real programs (failure catalogue D01-D03, D05, D12).

After a crash the web is started again, healing and WeChat's repetitions run, and every invariant that
concerns orders and notifications is checked against WeChat's own books (`Witness.check`).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.databases import postgres_url, sqlite_url
from tests.support.installation import COFFEE, FLOWERS, PATIENCE_S, installed
from tests.support.syscalls import children_of, may_trace, traced
from tests.support.witness import Asked, Witness

SEED = 20261122
CLIENTS, ROUNDS = 6, 2
NOTIFIED = 24

POINTS = {
    # In the middle of the first commit; the intent written and nothing sent; in the middle of the second
    # commit, WeChat's answer in hand.
    "sqlite": (("pwrite64", 2), ("fdatasync", 1), ("pwrite64", 45)),
    # Everything committed and nothing answered.
    "postgresql": (("writev", 1),),
}
"""Before which call of which system call, counted within one order, the web is killed."""

needs_strace = pytest.mark.skipif(not may_trace(), reason="strace is not here or may not attach: D01, D12")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def witness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    """An installation to be killed again and again; WeChat repeats a notification after 300 ms."""
    folder = tmp_path_factory.mktemp("crashes")
    url = sqlite_url(folder) if request.param == "sqlite" else postgres_url()
    with installed(folder, url) as house:
        house.control("clock", {"retry_gaps_s": [0.3] * 200})
        yield Witness(house)


@pytest.fixture(scope="module")
def without_worker(witness: Witness) -> Witness:
    """The web alone, so that every system call it makes belongs to the request that the test sends."""
    witness.house.env["WXSP_EMBEDDED_WORKER"] = "0"
    if witness.dialect == "sqlite":
        witness.kill()
        witness.restart()
    return witness


@pytest.fixture(autouse=True)
def no_faults_left(witness: Witness) -> Iterator[None]:
    yield
    witness.house.clear_faults()


def test_D02_orders_made_at_wechat_before_we_stored_the_answer_are_found_again(witness: Witness) -> None:
    house = witness.house
    known = {order["out_trade_no"] for order in house.books()["orders"]}
    house.control("faults", {"path": "/pay/unifiedorder", "kind": "delay", "ms": 3000, "times": 2})
    with ThreadPoolExecutor(2) as merchants:
        asking = [merchants.submit(witness.order, sub_mch_id) for sub_mch_id in (COFFEE, FLOWERS)]
        deadline = time.monotonic() + PATIENCE_S
        while len(made := [o for o in house.books()["orders"] if o["out_trade_no"] not in known]) < 2:
            assert time.monotonic() < deadline
        witness.kill()
        unpaid, paid = (one.result() for one in asking)
    assert (unpaid.answer, paid.answer) == (None, None)
    number_of = {order["sub_mch_id"]: order["out_trade_no"] for order in made}
    witness.pay(number_of[FLOWERS])
    house.until_notified(number_of[FLOWERS])

    witness.restart()

    # The intent was committed before the call, so the number is known; whoever asked may still be at work.
    early = witness.again(unpaid)
    assert (early.status_code, early.json()["code"]) == (409, "in_progress")
    assert int(early.headers["retry-after"]) > 0
    witness.settle()
    unpaid.answer, late = witness.again(unpaid), witness.again(paid)
    assert unpaid.answer.status_code == 200, unpaid.answer.text
    assert unpaid.answer.json()["status"] == "pending"
    assert unpaid.answer.json()["out_trade_no"] == number_of[COFFEE]
    assert unpaid.answer.json()["code_url"]
    assert late.status_code == 409, late.text
    assert late.json()["order"]["status"] == "paid"
    assert late.json()["order"]["out_trade_no"] == number_of[FLOWERS]
    witness.check()


def test_D03_every_notification_acknowledged_before_a_crash_is_booked(witness: Witness) -> None:
    house = witness.house
    numbers = {witness.good_order((COFFEE, FLOWERS)[place % 2]) for place in range(NOTIFIED)}
    for place in range(NOTIFIED):
        house.control("faults", {"path": "notify", "kind": "delay", "ms": 200 + 40 * place, "times": 1})
    for out_trade_no in numbers:
        witness.pay(out_trade_no)
    deadline = time.monotonic() + PATIENCE_S
    while len(witness.acknowledged() & numbers) < 5:
        assert time.monotonic() < deadline

    witness.kill()
    house.clear_faults()
    house.control("faults", {"path": "notify", "kind": "stop"})
    witness.restart()

    # Nothing was repeated or healed yet: what was acknowledged must have been committed before (rule T5).
    before = witness.acknowledged() & numbers
    assert 0 < len(before) < NOTIFIED
    assert {witness.status(out_trade_no) for out_trade_no in before} == {"paid"}
    house.clear_faults()
    witness.settle()
    assert witness.acknowledged() >= numbers
    witness.check()


@pytest.mark.slow
def test_D01_killed_at_random_moments_under_load_nothing_is_lost_or_doubled(witness: Witness) -> None:
    chance = random.Random(SEED)
    unanswered = sum(_one_round(witness, chance) for _ in range(ROUNDS))
    assert unanswered > 0, "no call was under way at any of the crashes"


def _one_round(witness: Witness, chance: random.Random) -> int:
    """Kill the web under load, bring it back, and return how many calls got no answer."""
    plans = [
        [(chance.choice((COFFEE, FLOWERS)), chance.random() < 0.7) for _ in range(200)]
        for _ in range(CLIENTS)
    ]
    kill_after_s, before = chance.uniform(0.3, 0.9), len(witness.asked)

    def client(plan: list[tuple[str, bool]]) -> None:
        for amount, (sub_mch_id, pays) in enumerate(plan, start=1):
            asked = witness.order(sub_mch_id, amount=amount)
            if asked.answer is None:
                return
            assert asked.answer.status_code == 201, asked.answer.text
            if pays:
                witness.pay(asked.answer.json()["out_trade_no"])
        raise AssertionError("the crash came too late")

    with ThreadPoolExecutor(CLIENTS) as clients:
        running = [clients.submit(client, plan) for plan in plans]
        time.sleep(kill_after_s)
        witness.kill()
        for one in running:
            one.result()
    witness.restart()
    witness.settle()
    unanswered = [asked for asked in witness.asked[before:] if asked.answer is None]
    _ask_again(witness, unanswered)
    witness.check()
    return len(unanswered)


def _ask_again(witness: Witness, unanswered: list[Asked]) -> None:
    """Do what merchants do who got no answer; each must get the order, one way or the other."""
    for asked in unanswered:
        asked.answer = witness.again(asked)
        assert asked.answer.status_code in {200, 201}, asked.answer.text
        assert asked.answer.json()["code_url"]


@pytest.mark.slow
@needs_strace
def test_D01_D03_killed_at_every_step_of_an_order_and_before_an_acknowledgement(
    without_worker: Witness, tmp_path: Path
) -> None:
    witness, house = without_worker, without_worker.house
    unanswered = []
    for system_call, nth in POINTS[witness.dialect]:
        witness.good_order()
        with traced(_server_of(witness), tmp_path / "trace", *_kill_before(system_call, nth)):
            asked = witness.order()
        assert asked.answer is None, f"{system_call} {nth} was never reached"
        unanswered.append(asked)
        witness.kill()
        witness.restart()
    out_trade_no = witness.good_order()
    with traced(_server_of(witness), tmp_path / "trace", *_kill_before("writev", 1)):
        witness.pay(out_trade_no)
        house.until_notified(out_trade_no)
    # After the commit and before the acknowledgement: booked, and WeChat will say it again.
    assert witness.status(out_trade_no) == "paid"
    assert out_trade_no not in witness.acknowledged()

    witness.kill()
    witness.restart()
    witness.settle()

    assert out_trade_no in witness.acknowledged()
    _ask_again(witness, unanswered)
    witness.check()


@needs_strace
@pytest.mark.parametrize("witness", ["sqlite"], indirect=True, scope="module")
def test_D12_intent_and_answer_are_flushed_before_a_byte_leaves(
    without_worker: Witness, tmp_path: Path
) -> None:
    """SQLite flushes in our process; PostgreSQL in its own, before it answers COMMIT."""
    trace = tmp_path / "trace"
    without_worker.good_order()

    with traced(_server_of(without_worker), trace, "trace=pwrite64,fdatasync,sendto,writev"):
        without_worker.good_order()

    assert re.fullmatch("W+F call W+F reply", _story(trace))


def test_D01_after_all_these_crashes_the_exports_agree_with_wechat(witness: Witness) -> None:
    out_trade_no = witness.good_order()
    witness.pay(out_trade_no)
    witness.settle()

    assert witness.status(out_trade_no) == "paid"
    witness.check()
    witness.check_exports()


def _story(trace: Path) -> str:
    """Tell what one order did: W a write to the log, F the log flushed, the call to WeChat, the reply."""
    steps = {
        r"pwrite64\(\d+<[^>]*-wal>": "W",
        r"fdatasync(\(\d+<[^>]*-wal>\)| resumed>\)) += 0$": "F",
        r'sendto\(.*"POST /pay/unifiedorder ': " call ",
        r'writev\(.*"HTTP/1\.1 201 ': " reply",
    }
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    return "".join(step for line in lines for pattern, step in steps.items() if re.search(pattern, line))


def _server_of(witness: Witness) -> int:
    """Return the process that answers requests: the one that `serve` made."""
    (server,) = children_of(witness.web.process.pid)
    return server


def _kill_before(system_call: str, nth: int) -> tuple[str, str]:
    return f"trace={system_call}", f"inject={system_call}:signal=KILL:when={nth}"
