"""`wxsp notify replay` and `wxsp inspect`: the same services as the pages, for whoever runs the machine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.conftest import HeldClock
from tests.support.databases import sqlite_url
from tests.support.till import KEY, build_till
from tests.support.visitor import site_environment

from spapp.cli import main
from spcore.db.engine import Database
from wechatpay.credentials import SignType, V2Key
from wechatpay.v2 import envelope, signing


@dataclass(frozen=True, slots=True)
class Machine:
    """An installation with one forged notification and one that waits for a query."""

    environment: dict[str, str]
    provider_id: str
    forged: str
    missed: str

    def run(self, *words: str, text: bytes | None = None) -> Result:
        return CliRunner().invoke(main, words, env=self.environment, input=text)


async def _fill(url: str, clock: HeldClock) -> tuple[str, str, str]:
    database = Database(url)
    try:
        till = await build_till(database, clock)
        order = await till.placed()
        fields = envelope.parse(await till.paid_body(order))
        await till.tell(envelope.build(fields | {"total_fee": "1"}))
        till.wechat.fail("orderquery", "lost")
        doubtful = await till.placed("T2")
        await till.tell(await till.paid_body(doubtful, attach="a&b=c"))
        forged, missed = await till.journal()
        return till.scope.provider_id, forged.id, missed.id
    finally:
        await database.close()


@pytest.fixture
def machine(tmp_path: Path, clock: HeldClock) -> Machine:
    url = sqlite_url(tmp_path)
    return Machine(site_environment(url), *asyncio.run(_fill(url, clock)))


def test_B4_a_replay_is_shown_before_anything_is_done(machine: Machine) -> None:
    shown = machine.run("notify", "replay", machine.missed, "--json")
    forged = machine.run("notify", "replay", machine.forged)
    hasty = machine.run("notify", "replay", machine.missed, "--apply")
    forced = machine.run("notify", "replay", machine.forged, "--apply", "--reason", "x", "--json")
    nothing = machine.run("notify", "replay", "ntf_01JD3K8W7Q4M6X0B2T9V5H1CZN")

    answer = json.loads(shown.stdout)
    assert (shown.exit_code, answer["preview"]["effect"], answer["applied"]) == (0, "asks", None)
    assert (answer["preview"]["told"], answer["preview"]["before"]) == (12800, "pending")
    assert (forged.exit_code, "refused" in forged.stdout) == (1, True)
    assert hasty.exit_code == 2
    assert (forced.exit_code, json.loads(forced.stdout)["code"]) == (1, "state_conflict")
    assert nothing.exit_code == 1


def test_B1_a_file_is_inspected_and_no_signature_comes_out(machine: Machine, tmp_path: Path) -> None:
    fields = {"mch_id": "1900000101", "total_fee": "12800", "body": "拿铁"}
    right = fields | {"sign": signing.sign(fields, V2Key(1, KEY), SignType.MD5)}
    (tmp_path / "wrong.xml").write_bytes(envelope.build(right | {"total_fee": "128.00"}))
    given = ("inspect", "-", "--provider", machine.provider_id)

    fine = machine.run(*given, "--json", text=envelope.build(right))
    wrong = machine.run("inspect", str(tmp_path / "wrong.xml"), *given[2:], "--json")
    words = machine.run("inspect", str(tmp_path / "wrong.xml"), *given[2:])
    bare = machine.run(*given, text=envelope.build(fields))

    assert (fine.exit_code, json.loads(fine.stdout)["verdict"]) == (0, "right")
    assert wrong.exit_code == 1
    assert [(each["code"], each["field"]) for each in json.loads(wrong.stdout)["causes"]] == [
        ("amount_unit", "total_fee")
    ]
    assert "元与分" in words.stdout
    assert bare.exit_code == 1
    for result in (fine, wrong, words, bare):
        assert right["sign"] not in result.output
        assert KEY not in result.output
