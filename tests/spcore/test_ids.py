"""Ids: their order is the order of creation, and one tells nothing about the next (T11)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from ulid import ULID

from spcore.ids import is_id, least_id, new_id, new_ulid

MOMENT = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)


def test_ids_made_later_sort_later_also_within_one_millisecond() -> None:
    made = [new_id("ord", MOMENT + timedelta(milliseconds=step // 5)) for step in range(500)]

    assert made == sorted(made)
    assert len(set(made)) == 500


def test_the_least_id_of_a_moment_parts_what_was_made_before_it_from_the_rest() -> None:
    for step in range(1000):
        at = MOMENT + timedelta(milliseconds=step)
        assert least_id("ord", at) <= new_id("ord", at) < least_id("ord", at + timedelta(milliseconds=1))


def test_T11_neighbours_of_one_millisecond_lie_far_apart() -> None:
    tails = [int.from_bytes(ULID.from_str(new_ulid(MOMENT)).bytes[6:], "big") for _ in range(300)]
    gaps = [after - before for before, after in pairwise(tails)]

    assert min(gaps) > 1 << 40
    assert len(set(gaps)) == len(gaps)


def test_an_id_is_recognised_by_its_prefix_and_alphabet() -> None:
    made = new_id("ord")

    assert is_id(made, "ord")
    assert not is_id(made, "ten")
    assert not is_id(made[:-1] + "I", "ord")
    assert not is_id(made + "0", "ord")
