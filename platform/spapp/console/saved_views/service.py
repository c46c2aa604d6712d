"""Keeping saved views. They are a person's own and change nothing for anybody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from sqlalchemy import CursorResult, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from spapp.accounts.service import Staff
from spapp.console.saved_views.models import SavedView
from spcore.clock import Clock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import DoorScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id

ListName: TypeAlias = Literal["orders", "refunds"]

MOST = 20
"""Views of one list; more would not be found again."""
MAX_NAME = 30
MAX_QUERY = 2000

_NO_NAME = Text("请填写名称。", "Give it a name.")
_LONG_NAME = Text(f"名称最多 {MAX_NAME} 个字符。", f"A name has at most {MAX_NAME} characters.")
_TAKEN = Text("已有同名的视图，请换一个名称。", "Another view has this name; take another one.")
_TOO_MANY = Text(
    f"每个列表最多保存 {MOST} 个视图，请先删除不用的。",
    f"A list has at most {MOST} views; delete one that you do not need.",
)


@dataclass(frozen=True, slots=True)
class View:
    """`query` is what follows the question mark in the list's address."""

    id: str
    list: ListName
    name: str
    query: str
    created_at: datetime


class SavedViews:
    """Reads and changes the views of one role of one person; those of others do not exist for it."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def of(self, staff: Staff, list_: ListName | None = None) -> Sequence[View]:
        """Return the person's views, of one list or of all, in the order they were saved."""
        query = select(SavedView).where(SavedView.membership_id == staff.membership_id)
        if list_ is not None:
            query = query.where(SavedView.list == list_)
        async with self._database.read(DoorScope()) as session:
            rows = await session.scalars(query.order_by(SavedView.id))
            return [
                View(row.id, cast("ListName", row.list), row.name, row.query, row.created_at) for row in rows
            ]

    async def save(self, staff: Staff, list_: ListName, name: str, query: str) -> None:
        """Keep a filter under a name. Raises InvalidInput."""
        now = self._clock.now()
        row = {
            "id": new_id("viw", now),
            "membership_id": staff.membership_id,
            "list": list_,
            "name": _checked(name),
            "query": query[:MAX_QUERY],
            "created_at": now,
        }
        held = (
            select(func.count())
            .select_from(SavedView)
            .where(SavedView.membership_id == staff.membership_id, SavedView.list == list_)
        )
        try:
            async with self._database.write(DoorScope()) as session:
                if (await session.execute(held)).scalar_one() >= MOST:
                    raise InvalidInput(Fault("#/name", "too_many", _TOO_MANY))
                await session.execute(insert(table_of(SavedView)), [row])
        except IntegrityError as taken:
            raise InvalidInput(Fault("#/name", "taken", _TAKEN)) from taken

    async def rename(self, staff: Staff, view_id: str, name: str) -> None:
        """Give a view another name. Raises InvalidInput, NotFound."""
        change = update(SavedView).where(*_own(staff, view_id)).values(name=_checked(name))
        try:
            await self._change(change)
        except IntegrityError as taken:
            raise InvalidInput(Fault("#/name", "taken", _TAKEN)) from taken

    async def remove(self, staff: Staff, view_id: str) -> None:
        """Delete a view. Raises NotFound."""
        await self._change(delete(SavedView).where(*_own(staff, view_id)))

    async def _change(self, statement: Any) -> None:
        async with self._database.write(DoorScope()) as session:
            changed = await session.execute(statement.execution_options(synchronize_session=False))
            if cast("CursorResult[Any]", changed).rowcount != 1:
                raise NotFound


def _own(staff: Staff, view_id: str) -> tuple[Any, ...]:
    return SavedView.id == view_id, SavedView.membership_id == staff.membership_id


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise InvalidInput(Fault("#/name", "missing", _NO_NAME))
    if len(name) > MAX_NAME:
        raise InvalidInput(Fault("#/name", "too_long", _LONG_NAME))
    return name
