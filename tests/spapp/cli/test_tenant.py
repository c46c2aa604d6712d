"""`wxsp tenant import`, `wxsp tenant go-live` and `wxsp doctor` (acceptance B-8, B-11, S18)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from tests.spapp.cli.conftest import Terminal
from tests.support.shop import HOSTILE_NAME

LIST = "商户名称,特约商户号,AppID\n杏林药房,1600000999,wx5b77e40aa1c2d3e4\n"
NOWHERE = "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"


def take_in(terminal: Terminal, text: str, *words: str) -> Result:
    return terminal.run(
        "tenant", "import", "-", "--provider", terminal.provider_id, *words, given=text.encode()
    )


def answer(result: Result) -> Any:
    return json.loads(result.stdout)


def test_S18_a_list_is_looked_at_first_and_stored_when_asked(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(LIST, encoding="utf-8-sig")

    dry = take_in(terminal, LIST, "--json")
    still_dry = take_in(terminal, LIST)
    stored = terminal.run(
        "tenant", "import", str(file), "--provider", terminal.provider_id, "--apply", "--json"
    )
    again = take_in(terminal, LIST, "--apply", "--json")

    assert [result.exit_code for result in (dry, still_dry, stored, again)] == [0, 0, 0, 0]
    assert (answer(dry)["applied"], answer(dry)["counts"]["new"]) == (False, 1)
    assert "杏林药房 new" in still_dry.stdout
    assert (answer(stored)["applied"], answer(stored)["counts"]["new"]) == (True, 1)
    assert (answer(again)["counts"]["new"], answer(again)["counts"]["unchanged"]) == (0, 1)


def test_S18_one_faulty_row_keeps_the_whole_list_out(terminal: Terminal) -> None:
    faulty = LIST + "=cmd(),1600000998,\n"

    refused = take_in(terminal, faulty, "--apply", "--json")
    words = take_in(terminal, faulty, "--apply")
    unread = take_in(terminal, "商户\nx\n", "--json")
    nobody = terminal.run(
        *("tenant", "import", "-", "--provider", "prv_01JD3K8W7Q4M6X0B2T9V5H1CZN", "--json"),
        given=LIST.encode(),
    )

    assert (refused.exit_code, answer(refused)["ok"], answer(refused)["applied"]) == (1, False, False)
    assert [row["errors"] for row in answer(refused)["rows"]] == [
        [],
        [{"column": "#/name", "code": "formula"}],
    ]
    assert (words.exit_code, "商户名称" in words.stdout) == (1, True)
    assert (unread.exit_code, answer(unread)["errors"][0]["code"]) == (1, "unknown_column")
    assert (nobody.exit_code, answer(nobody)["code"]) == (1, "not_found")
    assert answer(take_in(terminal, LIST, "--json"))["counts"]["new"] == 1


def test_B11_going_live_names_what_is_missing_and_a_reason_overrules_it(terminal: Terminal) -> None:
    tenant_id = terminal.shop.tenants["阿婆生煎"].tenant_id

    refused = terminal.run("tenant", "go-live", tenant_id, "--json")
    words = terminal.run("tenant", "go-live", tenant_id)
    overruled = terminal.run("tenant", "go-live", tenant_id, "--reason", "门店开业在即", "--json")
    again = terminal.run("tenant", "go-live", tenant_id)

    assert (refused.exit_code, answer(refused)["code"]) == (1, "state_conflict")
    assert (words.exit_code, words.stdout, "还不能上线" in words.stderr) == (1, "", True)
    assert (overruled.exit_code, answer(overruled)) == (
        0,
        {"id": tenant_id, "status": "live", "changed": True},
    )
    assert (again.exit_code, "早已上线" in again.stdout) == (0, True)


def test_a_suspended_tenant_or_none_does_not_go_live(terminal: Terminal) -> None:
    suspended = terminal.shop.tenants[HOSTILE_NAME].tenant_id

    refused = terminal.run("tenant", "go-live", suspended, "--reason", "x", "--json")
    nobody = terminal.run("tenant", "go-live", NOWHERE, "--json")

    assert (refused.exit_code, answer(refused)["code"]) == (1, "state_conflict")
    assert (nobody.exit_code, answer(nobody)["code"]) == (1, "not_found")


def test_B8_the_doctor_names_cause_and_repair_and_fails_for_a_failed_row(terminal: Terminal) -> None:
    tenant_id = terminal.shop.tenants["晨曦咖啡"].tenant_id

    one = terminal.run("doctor", "--tenant", tenant_id, "--offline", "--json")
    everybody = terminal.run("doctor", "--offline")
    nobody = terminal.run("doctor", "--tenant", NOWHERE, "--offline", "--json")

    rows = answer(one)["rows"]
    failed = [row for row in rows if row["level"] == "fail"]
    assert {row["subject"] for row in rows} == {tenant_id}
    assert (one.exit_code, answer(one)["ok"]) == (int(bool(failed)), not failed)
    assert all(row["cause"] and row["repair"] for row in failed)
    assert everybody.exit_code == int("✗" in everybody.stdout)
    assert "sp.cert_pair" in everybody.stdout
    assert (nobody.exit_code, answer(nobody)["code"]) == (1, "not_found")
