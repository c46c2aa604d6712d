"""States, figures and actions in words."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spapp.console.frame.words import ACTION, ACTOR, SOURCE, notify_chip, order_chips
from spapp.console.orders.figures import counted, figure_strip
from sptenants.orders import timeline
from sptenants.orders.figures import COUNT_CAP, Count, Figures
from sptenants.orders.models import Order
from sptenants.orders.records import OrderRecord
from sptenants.orders.states import OrderStatus
from wechatpay.money import Fen

NOW = datetime(2026, 11, 21, 6, 38, tzinfo=UTC)
SOURCES = Path(__file__).resolve().parents[3]


def order(**shape: object) -> OrderRecord:
    row = Order(
        id="ord_01JD3K8W7Q4M6X0B2T9V5H1CZN",
        status="pending",
        amount=12_800,
        refunded_amount=0,
        refunding_amount=0,
        state_since=NOW,
    )
    return replace(OrderRecord.of(row, "test"), **shape)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        pytest.param({}, ["wait 待支付"], id="pending"),
        pytest.param({"status": OrderStatus.SUBMITTING}, ["wait 提交中"], id="just sent"),
        pytest.param(
            {"status": OrderStatus.SUBMITTING, "state_since": NOW - timedelta(seconds=61)},
            ["bad 待核实"],
            id="sent more than a minute ago",
        ),
        pytest.param({"status": OrderStatus.PAID}, ["ok 支付成功"], id="paid"),
        pytest.param(
            {"status": OrderStatus.PAID, "refunded_amount": Fen(1)}, ["info 部分退款"], id="refunded in part"
        ),
        pytest.param(
            {"status": OrderStatus.PAID, "refunded_amount": Fen(12_800)}, ["mute 全额退款"], id="refunded"
        ),
        pytest.param(
            {"status": OrderStatus.PAID, "anomaly": "late_payment"},
            ["ok 支付成功", "bad 需核实"],
            id="an anomaly stands beside the state",
        ),
        pytest.param(
            {"status": OrderStatus.PAID, "source": "trial"}, ["ok 支付成功", "info 试付"], id="a trial"
        ),
    ],
)
def test_a_state_is_a_word_with_a_tone(shape: dict[str, object], expected: list[str]) -> None:
    chips = order_chips(order(**shape), NOW)

    assert [f"{chip.tone} {chip.word}" for chip in chips] == expected


def test_every_state_of_an_order_has_its_word() -> None:
    assert all(order_chips(order(status=status), NOW) for status in OrderStatus)


def test_every_source_of_an_order_has_its_word() -> None:
    assert set(SOURCE) == set(timeline.SOURCES)


@pytest.mark.parametrize(("paid_by", "word"), [(None, None), ("notify", "已通知"), ("query", "查单补回")])
def test_the_list_says_how_a_payment_became_known(paid_by: str | None, word: str | None) -> None:
    chip = notify_chip(order(paid_by=paid_by))

    assert (chip.word if chip else None) == word


def test_every_action_that_is_audited_has_its_word() -> None:
    written = re.compile(r"(?:action=|audit\(\s*(?:session, \w+, )?)\"([a-z_]+\.[a-z_]+)\"")
    found = {
        action
        for root in ("platform", "tenants")
        for path in (SOURCES / root).rglob("*.py")
        for action in written.findall(path.read_text(encoding="utf-8"))
    }

    assert len(found) > 10
    assert found - set(ACTION) == set()


def test_every_kind_of_actor_has_its_word() -> None:
    assert set(ACTOR) == {"person", "api_key", "session", "cli", "system", "link"}


def figures(paid: int, count: int, rate: int | None = 9_240, attention: int = 0) -> Figures:
    return Figures(Fen(paid), count, 100, rate, Fen(0), attention)


def test_the_strip_compares_with_yesterday_when_there_was_one() -> None:
    amount, count, rate, refunded, attention = figure_strip(
        figures(108_200, 95), figures(100_000, 100), Count(120, capped=False)
    )

    assert (amount.value, amount.direction, amount.note.zh) == ("¥1,082.00", "up", "↑ 8.2% 较昨日同时段")
    assert (count.value, count.direction, count.note.zh) == ("95", "dn", "↓ 5.0% 较昨日同时段")
    assert (rate.value, refunded.value, attention.value) == ("92.4%", "¥0.00", "0")


def test_without_a_yesterday_the_strip_says_what_is_known() -> None:
    amount, count, rate, _refunded, attention = figure_strip(
        figures(30_000, 3, None, attention=2), figures(0, 0), Count(COUNT_CAP, capped=True)
    )

    assert (amount.note.zh, amount.direction) == ("平均每笔 ¥100.00", "")
    assert count.note.zh == "共创建 ≈ 1,000+ 笔订单"
    assert rate.value == "—"
    assert attention.alarming


def test_counts_above_the_cap_are_shown_as_about() -> None:
    assert counted(Count(COUNT_CAP, capped=True)) == "≈ 1,000+"
    assert counted(Count(COUNT_CAP, capped=False)) == "1,000"
    assert counted(Count(4_241, capped=False, about=True)) == "≈ 4,241"
