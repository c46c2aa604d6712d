"""What every table shares: names, types and the mark that says who owns a row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, DateTime, Dialect, LargeBinary, MetaData, Table, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, stored in UTC; SQLite, which keeps no zone, gets it back on reading.

    Binding a naive datetime raises ValueError: its zone would be a guess (rule T6).
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Model(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime(),
        bytes: LargeBinary(),
        dict[str, Any]: Json,
        list[str]: Json,
    }


def table_of(model: type[Model]) -> Table:
    """Return the table behind `model`, for hot paths that do without the ORM (decision 4)."""
    return cast("Table", model.__table__)


class TenantOwned:
    """A row of exactly one tenant. Both columns are set once and never changed (rule Y2)."""

    provider_id: Mapped[str] = mapped_column(sort_order=-2)
    tenant_id: Mapped[str] = mapped_column(primary_key=True, sort_order=-1)


def owned_by(*, provider: str, tenant: str | None = None) -> dict[str, Any]:
    """Return the table `info` that names the owner columns; the guard of `scope.py` reads it."""
    return {"owner": {"provider": provider, "tenant": tenant}}


TENANT_OWNED = owned_by(provider="provider_id", tenant="tenant_id")


def owner_columns(table: Table) -> dict[str, str | None] | None:
    """Return the names of the owner columns of `table`, or None for a table that nobody owns."""
    owner: dict[str, str | None] | None = table.info.get("owner")
    return owner
