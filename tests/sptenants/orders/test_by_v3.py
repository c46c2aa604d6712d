"""What holds for orders by API v2 holds for orders by v3: the same tests at a till that goes by v3.

On one kind of database: what is in it does not know the version.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sptenants.orders.test_attempts import (
    test_O10_another_amount_comes_under_another_number_after_the_old_one_is_closed,
)
from tests.sptenants.orders.test_closing import (
    test_a_close_after_five_minutes_asks_closes_and_asks_again,
    test_a_native_order_is_closed_like_any_other,
    test_P8_a_close_in_the_first_five_minutes_is_kept_and_done_later,
    test_P11_an_unclear_close_stays_closing_until_a_query_tells,
    test_Z04_P10_a_payment_that_races_the_close_wins,
)
from tests.sptenants.orders.test_healing import (
    test_a_close_that_did_not_hold_is_repeated,
    test_a_payment_without_notification_is_found_within_a_minute,
    test_a_process_that_died_after_the_first_commit_leaves_an_order_that_heals,
    test_a_wrong_amount_found_by_query_raises_an_anomaly_once_and_keeps_the_order_watched,
    test_an_order_that_stays_absent_fails_at_its_expiry_and_not_before,
    test_an_unpaid_order_is_closed_at_wechat_soon_after_its_expiry,
    test_G04_an_order_that_never_arrived_is_sent_again_after_two_answers_a_minute_apart,
    test_G07_half_an_hour_without_wechat_heals_without_help,
    test_money_that_arrived_after_the_close_is_found_by_the_confirming_query,
    test_P5_only_wechats_signed_word_makes_an_order_absent,
)
from tests.sptenants.orders.test_placing import (
    test_a_native_order_has_a_code_url_and_needs_no_app,
    test_a_number_wechat_closed_by_itself_is_closed_here_too,
    test_a_plain_merchant_sends_no_sub_fields,
    test_a_repeat_answers_the_same_order_signed_afresh,
    test_G02_an_order_that_took_effect_unseen_is_found_and_finished_under_its_number,
    test_G02_G03_G05_an_unclear_answer_leaves_the_order_submitting,
    test_O03_fifty_equal_calls_at_once_make_one_order,
    test_O07_the_first_payer_is_bound_and_for_others_the_order_does_not_exist,
    test_O09_P7_an_old_prepay_id_is_renewed_with_the_same_number_and_parameters,
    test_O14_an_official_account_page_also_gets_its_appid,
    test_P5_a_definitive_refusal_fails_once_a_query_agrees,
    test_P5_a_refusal_without_a_confirming_query_is_not_final,
    test_P5_an_unsigned_refusal_never_fails_an_order,
    test_P7_renewing_an_order_that_was_paid_unseen_finds_the_money,
    test_P7_without_a_clear_answer_nothing_is_signed,
)
from tests.support.databases import sqlite_url
from tests.support.till import Till
from tests.support.till_v3 import build_till_v3

from spcore.clock import Clock
from spcore.db.engine import Database

__all__ = [
    "test_G02_G03_G05_an_unclear_answer_leaves_the_order_submitting",
    "test_G02_an_order_that_took_effect_unseen_is_found_and_finished_under_its_number",
    "test_G04_an_order_that_never_arrived_is_sent_again_after_two_answers_a_minute_apart",
    "test_G07_half_an_hour_without_wechat_heals_without_help",
    "test_O03_fifty_equal_calls_at_once_make_one_order",
    "test_O07_the_first_payer_is_bound_and_for_others_the_order_does_not_exist",
    "test_O09_P7_an_old_prepay_id_is_renewed_with_the_same_number_and_parameters",
    "test_O10_another_amount_comes_under_another_number_after_the_old_one_is_closed",
    "test_O14_an_official_account_page_also_gets_its_appid",
    "test_P5_a_definitive_refusal_fails_once_a_query_agrees",
    "test_P5_a_refusal_without_a_confirming_query_is_not_final",
    "test_P5_an_unsigned_refusal_never_fails_an_order",
    "test_P5_only_wechats_signed_word_makes_an_order_absent",
    "test_P7_renewing_an_order_that_was_paid_unseen_finds_the_money",
    "test_P7_without_a_clear_answer_nothing_is_signed",
    "test_P8_a_close_in_the_first_five_minutes_is_kept_and_done_later",
    "test_P11_an_unclear_close_stays_closing_until_a_query_tells",
    "test_Z04_P10_a_payment_that_races_the_close_wins",
    "test_a_close_after_five_minutes_asks_closes_and_asks_again",
    "test_a_close_that_did_not_hold_is_repeated",
    "test_a_native_order_has_a_code_url_and_needs_no_app",
    "test_a_native_order_is_closed_like_any_other",
    "test_a_number_wechat_closed_by_itself_is_closed_here_too",
    "test_a_payment_without_notification_is_found_within_a_minute",
    "test_a_plain_merchant_sends_no_sub_fields",
    "test_a_process_that_died_after_the_first_commit_leaves_an_order_that_heals",
    "test_a_repeat_answers_the_same_order_signed_afresh",
    "test_a_wrong_amount_found_by_query_raises_an_anomaly_once_and_keeps_the_order_watched",
    "test_an_order_that_stays_absent_fails_at_its_expiry_and_not_before",
    "test_an_unpaid_order_is_closed_at_wechat_soon_after_its_expiry",
    "test_money_that_arrived_after_the_close_is_found_by_the_confirming_query",
]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
async def till(database: Database, clock: Clock) -> Till:
    return await build_till_v3(database, clock)


@pytest.fixture(autouse=True)
def _only_by_v3(till: Till) -> object:
    yield
    assert till.wechat.spoken["v2"] == 0
