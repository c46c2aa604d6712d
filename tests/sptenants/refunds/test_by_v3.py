"""What holds for refunds by API v2 holds for refunds by v3: the same tests at a desk that goes by v3.

On one kind of database: what is in it does not know the version.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sptenants.refunds.test_healing import (
    test_a_lost_answer_is_healed_and_written_down,
    test_a_success_nobody_told_of_is_found_and_written_down,
    test_D01_a_refund_that_was_reserved_and_never_sent_is_sent_by_healing,
)
from tests.sptenants.refunds.test_requesting import (
    test_F01_of_fifty_concurrent_full_refunds_exactly_one_is_accepted,
    test_F03_after_a_timeout_the_same_request_is_the_same_row_and_number,
    test_F05_more_than_what_is_left_is_refused_with_what_is_left,
    test_R1_a_second_refund_waits_while_the_first_is_in_flight_and_is_then_sent,
    test_R5_a_definitive_refusal_that_a_query_confirms_releases_the_amount,
    test_R5_only_a_signed_answer_to_the_query_makes_a_refusal_final,
)
from tests.sptenants.refunds.test_settling import (
    test_a_refund_that_WeChat_closed_gives_its_amount_back,
    test_F06_a_short_balance_is_shown_kept_and_gone_once_it_went_through,
    test_F06_an_abnormal_refund_keeps_its_reservation_until_somebody_settled_it_at_WeChat,
    test_G01_to_G05_whatever_a_call_ends_in_one_number_refunds_once,
    test_R6_an_answer_that_differs_in_a_number_or_amount_changes_nothing,
)
from tests.support.databases import sqlite_url
from tests.support.refund_desk import RefundDesk
from tests.support.till import Till
from tests.support.till_v3 import build_till_v3

from spcore.clock import Clock
from spcore.db.engine import Database
from wechatpay.money import Fen

__all__ = [
    "test_D01_a_refund_that_was_reserved_and_never_sent_is_sent_by_healing",
    "test_F01_of_fifty_concurrent_full_refunds_exactly_one_is_accepted",
    "test_F03_after_a_timeout_the_same_request_is_the_same_row_and_number",
    "test_F05_more_than_what_is_left_is_refused_with_what_is_left",
    "test_F06_a_short_balance_is_shown_kept_and_gone_once_it_went_through",
    "test_F06_an_abnormal_refund_keeps_its_reservation_until_somebody_settled_it_at_WeChat",
    "test_G01_to_G05_whatever_a_call_ends_in_one_number_refunds_once",
    "test_R1_a_second_refund_waits_while_the_first_is_in_flight_and_is_then_sent",
    "test_R5_a_definitive_refusal_that_a_query_confirms_releases_the_amount",
    "test_R5_only_a_signed_answer_to_the_query_makes_a_refusal_final",
    "test_R6_an_answer_that_differs_in_a_number_or_amount_changes_nothing",
    "test_a_lost_answer_is_healed_and_written_down",
    "test_a_refund_that_WeChat_closed_gives_its_amount_back",
    "test_a_success_nobody_told_of_is_found_and_written_down",
]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till_v3(database, clock)


@pytest.fixture(autouse=True)
def _only_by_v3(desk: RefundDesk) -> object:
    yield
    assert desk.wechat.spoken["v2"] == 0


async def test_pain_1_the_address_of_a_refunds_notification_bears_the_version(desk: RefundDesk) -> None:
    order = await desk.paid()
    await desk.request(order, 100)
    (asked,) = desk.wechat.asked
    route_key = desk.till.caller.tenant.route_key
    assert asked.notify_url.endswith(f"/notify/wechat/{route_key}/v3/refund")
    assert asked.amount == Fen(100)
