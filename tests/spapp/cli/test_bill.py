"""`wxsp bill fetch` against the simulator's own bills (L01, L02, B-19)."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from tests.support.databases import sqlite_url
from tests.support.installation import import_document
from tests.support.simulated import COFFEE, KEY, MCH_ID, MERCHANT, desk_at
from tests.support.simulated_money import paid
from tests.support.visitor import site_environment

from spapp.cli import main
from spsim.serve import Running, running
from sptenants.bills.planning import CHINA


@dataclass(frozen=True, slots=True)
class Machine:
    """The command line over an installation of its own, and the simulator that it talks to."""

    where: Running
    environment: dict[str, str]
    tenant_id: str

    def fetch(self, *words: str) -> Result:
        return CliRunner().invoke(main, ("bill", "fetch", *words), env=self.environment)

    def answers(self, *words: str) -> tuple[int, list[dict[str, Any]]]:
        result = self.fetch(*words, "--json")
        return result.exit_code, json.loads(result.stdout)["bills"]

    def control(self, path: str, **document: Any) -> None:
        httpx.post(f"{self.where.url}/_sim/{path}", json=document, trust_env=False).raise_for_status()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    document = import_document()
    partner, _bank, merchant = document["providers"]
    document["providers"] = [partner | {"api_v2_key": KEY}, merchant]
    file = tmp_path / "import.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with running() as where:
        environment = site_environment(sqlite_url(tmp_path)) | {
            "WXSP_SIMULATOR_URL": where.url,
            "WXSP_SIMULATOR_TLS_URL": where.tls_url,
        }
        httpx.post(f"{where.url}/_sim/providers", json=document, trust_env=False).raise_for_status()
        imported = CliRunner().invoke(main, ("import", str(file), "--json"), env=environment)
        assert imported.exit_code == 0, imported.output
        yield Machine(where, environment, _tenant(tmp_path / "wxsp.db"))


def _tenant(path: Path) -> str:
    with closing(sqlite3.connect(path)) as books:
        (found,) = books.execute("SELECT id FROM tenants WHERE sub_mch_id = ?", (COFFEE,)).fetchall()
    return str(found[0])


def today() -> str:
    return datetime.now(UTC).astimezone(CHINA).date().isoformat()


def test_l01_bills_are_fetched_compared_and_told_with_an_exit_code(machine: Machine) -> None:
    machine.control("bills", open_days=True)
    code, bills = machine.answers("--date", today())
    assert code == 0, bills
    assert [(bill["mch_id"], bill["kind"], bill["state"], bill["lines"]) for bill in bills] == [
        (mch_id, kind, "balanced", 0) for mch_id in (MCH_ID, MERCHANT) for kind in ("trade", "fund")
    ]

    async def sell() -> None:
        async with desk_at(machine.where) as desk:
            await paid(desk, "T000001")

    asyncio.run(sell())
    code, bills = machine.answers("--date", today(), "--provider", MCH_ID, "--kind", "trade")
    assert code == 1
    (bill,) = bills
    assert (bill["state"], bill["lines"], bill["amount"], bill["problem"]) == ("different", 1, 1280, None)
    told = machine.fetch("--date", today(), "--provider", MCH_ID, "--kind", "trade")
    assert (told.exit_code, "有差异 different" in told.stdout, "¥12.80" in told.stdout) == (1, True, True)


def test_l02_a_bill_that_is_not_there_yet_says_when_it_is_tried_again(machine: Machine) -> None:
    machine.control("bills", not_ready=1)
    yesterday = (datetime.now(UTC).astimezone(CHINA).date() - timedelta(days=1)).isoformat()
    code, bills = machine.answers("--provider", MCH_ID, "--kind", "trade")
    assert code == 1
    assert (bills[0]["date"], bills[0]["state"], bills[0]["problem"]) == (yesterday, "waiting", "not_ready")
    assert bills[0]["next_at"] is not None
    machine.control("bills", not_ready=1)
    told = machine.fetch("--provider", MCH_ID, "--kind", "trade")
    assert "再次下载" in told.stdout


def test_wrong_usage_is_told_apart_from_a_bill_that_differs(machine: Machine) -> None:
    for words in (
        ("--date", "2026-13-01"),
        ("--date", "20261120"),
        ("--provider", "prv_01JD3K8W7Q4M6X0B2T9V5H1CZN"),
        ("--tenant", "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"),
        ("--kind", "everything"),
        ("--account", "SECRET"),
    ):
        told = machine.fetch(*words)
        assert (told.exit_code, words[0] in told.stderr) == (2, True), words


def test_one_sub_merchants_bill_is_its_own(machine: Machine) -> None:
    machine.control("bills", open_days=True)
    code, bills = machine.answers("--date", today(), "--tenant", machine.tenant_id)
    assert code == 0, bills
    assert [(bill["kind"], bill["tenant_id"]) for bill in bills] == [("trade", machine.tenant_id)]
    code, bills = machine.answers("--date", today(), "--tenant", machine.tenant_id, "--kind", "fund")
    assert (code, bills[0]["problem"]) == (1, "not_offered")
