"""The rules of bills, `POST /_sim/bills`."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.support.simulated import COFFEE, MCH_ID, desk_at
from tests.support.simulated_v3 import V3Desk

from spsim.app import create_simulator
from spsim.bills.trade import fee_of
from spsim.serve import serving

AT_FIRST = {
    "open_days": False,
    "ready_at": "10:00",
    "not_ready": 0,
    "bom": False,
    "old_names": False,
    "extra_column": False,
    "split_parts": 1,
    "hash_of": "text",
    "sub_merchant_funds": True,
    "damage": None,
    "damage_times": None,
    "rates": {},
    "differences": [],
}
WRONG: list[dict[str, Any]] = [
    {},
    {"opendays": True},
    {"open_days": 1},
    {"open_days": True, "bom": "yes"},
    {"ready_at": "25:00"},
    {"ready_at": "9:30"},
    {"ready_at": 10},
    {"not_ready": -1},
    {"not_ready": None},
    {"not_ready": 1.5},
    {"split_parts": 0},
    {"split_parts": 101},
    {"hash_of": "gzip"},
    {"damage": "fire"},
    {"damage": "html", "damage_times": 0},
    {"damage_times": 2},
    {"rates": "0.60%"},
    {"rates": {COFFEE: "0.6"}},
    {"rates": {COFFEE: 6}},
    {"rates": {COFFEE: "0.60000%"}},
    {"differences": []},
]


async def test_they_begin_as_the_real_gateway_is(desk: V3Desk) -> None:
    assert (await desk.http.get("/_sim/bills")).json() == AT_FIRST


@pytest.mark.parametrize("document", WRONG, ids=[str(each) for each in WRONG])
async def test_a_wrong_rule_changes_nothing(desk: V3Desk, document: dict[str, Any]) -> None:
    assert await desk.refused("bills", **document) == (400, "BAD_REQUEST")
    assert (await desk.http.get("/_sim/bills")).json() == AT_FIRST


async def test_each_is_changed_alone_and_taken_back(desk: V3Desk) -> None:
    told = await desk.control(
        "bills", rates={COFFEE: "0.38%", MCH_ID: "1.00%"}, damage="html", damage_times=3
    )
    assert told == AT_FIRST | {
        "rates": {COFFEE: "0.38%", MCH_ID: "1.00%"},
        "damage": "html",
        "damage_times": 3,
    }
    told = await desk.control("bills", rates={MCH_ID: None}, ready_at="09:00")
    assert (told["rates"], told["ready_at"], told["damage_times"]) == ({COFFEE: "0.38%"}, "09:00", 3)
    told = await desk.control("bills", damage="truncated")
    assert (told["damage"], told["damage_times"]) == ("truncated", None), "another damage lasts"
    told = await desk.control("bills", damage=None, ready_at="10:00", rates={COFFEE: None})
    assert told == AT_FIRST


async def test_rules_and_differences_outlive_a_restart(registered_both: Path, tmp_path: Path) -> None:
    books = shutil.copy(registered_both, tmp_path)
    async with serving(create_simulator(books)) as where, desk_at(where) as desk:
        wanted = {"mch_id": MCH_ID, "date": str(date(2026, 11, 21)), "kind": "missing_here"}
        made = await desk.control("bills/differences", **wanted)
        await desk.control("bills", bom=True)
    async with serving(create_simulator(books)) as where, desk_at(where) as desk:
        told = (await desk.http.get("/_sim/bills")).json()
        assert (told["bom"], told["differences"]) == (True, made["planted"])


@pytest.mark.parametrize(
    ("amount", "rate", "fee"),
    [(1280, "0.60%", 8), (83, "0.60%", 0), (84, "0.60%", 1), (250, "0.60%", 2), (10_000, "0.3825%", 38)],
)
def test_a_fee_is_rounded_half_up_to_a_fen(amount: int, rate: str, fee: int) -> None:
    assert fee_of(amount, rate) == fee


def test_a_rate_has_one_form() -> None:
    with pytest.raises(ValueError, match="like 0"):
        fee_of(1, "0.6")
