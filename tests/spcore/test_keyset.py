"""Keyset paging: every row once, and a cursor that opens nothing (T02)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from tests.support.house import MOMENT, House

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, encode_cursor, page
from spcore.db.scope import TenantScope
from spcore.errors import InvalidInput
from spcore.ids import new_id
from spcore.outbox.models import OutboxMessage
from spcore.outbox.writer import enqueue


@dataclass(frozen=True)
class Row:
    id: str


async def _page_of(database: Database, scope: TenantScope, cursor: str | None) -> Page[OutboxMessage]:
    query = select(OutboxMessage).where(OutboxMessage.tenant_id == scope.tenant_id)
    if cursor is not None:
        query = query.where(OutboxMessage.id < decode_cursor(cursor))
    async with database.read(scope) as session:
        rows = (await session.scalars(query.order_by(OutboxMessage.id.desc()).limit(4))).all()
    return page(rows, 3)


async def _fill(database: Database, scope: TenantScope) -> None:
    async with database.write(scope) as session:
        for number in range(1, 9):
            at = MOMENT + timedelta(seconds=number)
            await enqueue(session, scope, type="t", subject="s", sequence=number, payload={}, now=at)


async def test_following_the_cursors_gives_every_row_once_and_the_newest_first(
    database: Database, house: House
) -> None:
    await _fill(database, house.tenants[0])
    seen: list[int] = []
    cursor: str | None = None
    while True:
        shown = await _page_of(database, house.tenants[0], cursor)
        seen += [row.sequence for row in shown.rows]
        cursor = shown.next_cursor
        if not shown.has_more:
            break
    assert seen == [8, 7, 6, 5, 4, 3, 2, 1]


async def test_T02_a_neighbours_cursor_shows_only_ones_own_rows(database: Database, house: House) -> None:
    mine, neighbour = house.tenants
    await _fill(database, mine)
    await _fill(database, neighbour)
    foreign = (await _page_of(database, neighbour, None)).next_cursor
    shown = await _page_of(database, mine, foreign)
    assert {row.tenant_id for row in shown.rows} == {mine.tenant_id}


@pytest.mark.parametrize(
    ("fetched", "shown", "more"), [(0, 0, False), (2, 2, False), (3, 3, False), (4, 3, True)]
)
def test_a_page_knows_whether_more_follows(fetched: int, shown: int, more: bool) -> None:
    rows = page([Row(f"id_{n}") for n in range(fetched)], 3)
    assert (len(rows.rows), rows.has_more) == (shown, more)
    assert rows.next_cursor == (encode_cursor("id_2") if more else None)


@given(st.text(max_size=100))
def test_T02_text_that_is_no_cursor_of_ours_is_refused_or_names_an_id(text: str) -> None:
    with suppress(InvalidInput):
        decoded = decode_cursor(text)
        assert encode_cursor(decoded) == text
        assert decoded.isascii()
        assert decoded.replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize("text", ["", "=", "é", "AA\n", "YQ==", "YR", "a" * 200, "/+", "AAAA"])
def test_T02_a_damaged_cursor_is_a_clear_refusal(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode_cursor(text)
    assert refusal.value.faults[0].pointer == "#/cursor"


def test_T11_ids_are_unguessable_and_sort_by_the_moment_of_their_making() -> None:
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    made = [new_id("ord", moment + timedelta(milliseconds=n)) for n in range(50)]
    assert sorted(made) == made
    assert len({new_id("ord", moment)[14:] for _ in range(1000)}) == 1000
