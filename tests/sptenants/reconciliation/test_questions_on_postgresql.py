"""The questions whose answers are applied, over PostgreSQL with its row-level security."""

from __future__ import annotations

import pytest
from tests.sptenants.reconciliation.test_payment_questions import (
    test_a_payment_that_stands_in_the_neighbouring_bill_is_settled,
    test_B19_the_journal_names_the_cause,
    test_D09_a_payment_of_a_lost_order_is_adopted_from_the_bill,
    test_L01_what_WeChat_does_not_have_is_shown_and_never_changed,
)
from tests.sptenants.reconciliation.test_refund_questions import (
    test_a_refund_that_was_accepted_before_we_learned_of_it_is_in_the_bill_of_its_day,
    test_F10_a_refund_that_the_bill_names_is_taken_over_by_both_apis,
)
from tests.support.databases import postgres_url
from tests.support.doubting import DoubtDesk, doubting
from tests.support.till import build_till

from spcore.clock import Clock
from spcore.db.engine import Database

__all__ = [
    "test_B19_the_journal_names_the_cause",
    "test_D09_a_payment_of_a_lost_order_is_adopted_from_the_bill",
    "test_F10_a_refund_that_the_bill_names_is_taken_over_by_both_apis",
    "test_L01_what_WeChat_does_not_have_is_shown_and_never_changed",
    "test_a_payment_that_stands_in_the_neighbouring_bill_is_settled",
    "test_a_refund_that_was_accepted_before_we_learned_of_it_is_in_the_bill_of_its_day",
]


@pytest.fixture
def database_url() -> str:
    return postgres_url()


@pytest.fixture
async def desk(database: Database, clock: Clock) -> DoubtDesk:
    return doubting(await build_till(database, clock))
