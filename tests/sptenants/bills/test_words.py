"""Bills in words: every state and problem says what happened, what comes next and what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from spcore.providers.profile import ProviderProfile
from sptenants.bills.records import BillRecord
from sptenants.bills.states import BillState, OwnProblem, Problem, problem_of
from sptenants.bills.words import ACCOUNT_WORDS, HASH_WORDS, KIND_WORDS, STATE_WORDS, problem_words
from wechatpay.bills import Account, BillKind, BillProblem, HashCheck

MOMENT = datetime(2026, 11, 21, 2, 30, tzinfo=UTC)
PROBLEMS: list[Problem] = [*BillProblem, *OwnProblem]
BILL = BillRecord(
    id="bil_01JD3K8W7Q4M6X0B2T9V5H1CZN",
    provider=ProviderProfile(
        "prv_1", "test", "ordinary", "云启", "1900000109", "wx8888888888888888", "v2", "MD5", "active", "r", 1
    ),
    tenant_id=None,
    tenant_name=None,
    day=MOMENT.date(),
    kind=BillKind.TRADE,
    account=None,
    sub_mch_id=None,
    requested_by="schedule",
    api_version="v2",
    state=BillState.WAITING,
    problem=None,
    problem_facts=None,
    attempts=1,
    next_at=None,
    edition=0,
    loaded_edition=0,
    empty=False,
    size=0,
    sha1=None,
    sha1_told=None,
    hash_check=None,
    lines=0,
    columns=(),
    unknown_columns=(),
    summary=None,
    read_lines=0,
    read_offset=0,
    matched_to=None,
    asked_at=MOMENT,
    downloaded_at=None,
    matched_at=None,
    created_at=MOMENT,
    updated_at=MOMENT,
)


def said(problem: Problem, **facts: Any) -> str:
    words = problem_words(replace(BILL, problem=problem.value, problem_facts=facts or None))
    assert words is not None
    return words.meaning.zh


@pytest.mark.parametrize("problem", PROBLEMS)
def test_every_problem_has_words_in_both_languages(problem: Problem) -> None:
    words = problem_words(replace(BILL, problem=problem.value, next_at=MOMENT))
    assert words is not None
    for text in (words.title, words.meaning, words.next, words.action):
        assert text.zh
        assert text.en
        assert text.zh != text.en
    assert "11-21 10:30" in words.next.zh  # Beijing time
    given_up = problem_words(replace(BILL, problem=problem.value))
    assert given_up is not None
    assert "11-21" not in given_up.next.zh
    assert problem_of(problem.value) is problem


def test_nothing_in_the_way_has_no_words() -> None:
    assert problem_words(BILL) is None
    assert problem_of(None) is None


def test_a_file_that_was_there_before_still_counts() -> None:
    kept = replace(BILL, problem="too_old", edition=1, loaded_edition=1)
    words = problem_words(kept)
    assert words is not None
    assert "继续有效" in words.next.zh


def test_words_name_the_place_that_does_not_fit() -> None:
    assert "第 7 行" in said(OwnProblem.MALFORMED, reason="a value", line=7)
    assert "收入金额" in said(OwnProblem.SUMMARY_MISMATCH, sums={"income": [1, 2]})
    assert "F001" in said(OwnProblem.BALANCE_MISMATCH, line=2, flow_no="F001", expected=1, found=2)
    assert "20007" in said(BillProblem.NO_PERMISSION, code="20007", http_status=200)
    assert said(OwnProblem.PROVIDER_NOT_READY, message="还没有 API 证书", en="no certificate") == (
        "还没有 API 证书"
    )


def test_states_kinds_accounts_and_hashes_have_words() -> None:
    assert STATE_WORDS.keys() == set(BillState)
    assert KIND_WORDS.keys() == set(BillKind)
    assert ACCOUNT_WORDS.keys() == set(Account)
    assert HASH_WORDS.keys() == set(HashCheck)
