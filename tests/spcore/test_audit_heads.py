"""Heads kept outside the database show a chain that was cut or written anew (A01)."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from tests.conftest import HeldClock
from tests.support.tampering import execute_unguarded

from spcore.audit.actor import SYSTEM
from spcore.audit.heads import Head, HeadSigner, check_heads, parse_heads, read_heads
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.verifier import verify
from spcore.audit.writer import Act, record
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.redaction import redact_text

SIGNER = HeadSigner([bytes(range(32))])


async def write(database: Database, clock: HeldClock, times: int) -> None:
    for number in range(times):
        async with database.write(DoorScope()) as session:
            act = Act(SYSTEM, "test.done", "test", after={"number": number})
            await record(session, PLATFORM_CHAIN, act, clock.now())


@pytest.fixture
async def kept(database: Database, clock: HeldClock) -> Head:
    await write(database, clock, 3)
    (head,) = await read_heads(database, SIGNER)
    return head


async def test_A01_a_kept_head_still_fits_when_the_chain_has_grown(
    database: Database, clock: HeldClock, kept: Head
) -> None:
    await write(database, clock, 2)

    assert kept.seq == 3
    assert await check_heads(database, SIGNER, [kept]) == ()


async def test_A01_a_tail_that_was_cut_together_with_its_head_shows(
    database: Database, database_url: str, kept: Head
) -> None:
    await execute_unguarded(
        database_url,
        "DELETE FROM audit_log WHERE seq = 3",
        "UPDATE audit_heads SET seq = 2, hash = (SELECT hash FROM audit_log WHERE seq = 2)",
        triggers=False,
    )

    assert (await verify(database)).ok  # whole in itself
    (fault,) = await check_heads(database, SIGNER, [kept])
    assert (fault.chain, fault.seq, fault.reason) == (PLATFORM_CHAIN, 3, "gone")


async def test_A01_a_chain_written_anew_shows(
    database: Database, database_url: str, clock: HeldClock, kept: Head
) -> None:
    await execute_unguarded(database_url, "DELETE FROM audit_log", "DELETE FROM audit_heads", triggers=False)
    await write(database, clock, 3)

    (fault,) = await check_heads(database, SIGNER, [kept])
    assert fault.reason == "differs"


async def test_A01_a_head_that_we_did_not_sign_is_forged(database: Database, kept: Head) -> None:
    other = HeadSigner([bytes(32)]).sign(kept.chain, kept.seq, kept.hash.replace("-", ""))
    longer = replace(kept, seq=2)

    faults = await check_heads(database, SIGNER, [other, longer])

    assert [fault.reason for fault in faults] == ["forged", "forged"]


async def test_an_older_master_key_still_proves_a_head(database: Database, kept: Head) -> None:
    rotated = HeadSigner([bytes(32), bytes(range(32))])

    assert await check_heads(database, rotated, [kept]) == ()


def test_heads_are_found_among_log_lines_and_survive_the_logs_redaction() -> None:
    head = SIGNER.sign("prv_1", 7, "ab" * 32)
    line = json.dumps({"event": "audit.head", "level": "info", **asdict(head)})
    together = json.dumps({"heads": [asdict(head)]})

    assert redact_text(line) == line
    assert parse_heads(["no json", '{"event":"request.done"}', "[]", line, together]) == [head, head]
