"""App bindings over all tenants of a scope: the list, and one of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select

from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import NotFound
from spcore.providers.models import Provider
from sptenants.registry.models import AppBinding, Tenant
from sptenants.registry.reader import BindingRow, ReadScope, binding_row

MOST_LISTED = 200


@dataclass(frozen=True, slots=True)
class BoundRow:
    """A binding with its tenant."""

    binding: BindingRow
    provider_id: str
    tenant_id: str
    tenant_name: str
    tenant_status: str
    sub_mch_id: str | None

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider_id, self.tenant_id)


@dataclass(frozen=True, slots=True)
class BindingFilter:
    """`q` is an appid, or a part of the app's or the tenant's name; `shared` are appids of several tenants.

    `lacks_secret` are mini-programs that cannot log people in.
    """

    status: str | None = None
    kind: str | None = None
    tenant_id: str | None = None
    q: str | None = None
    shared: bool = False
    lacks_secret: bool = False


class BindingReader:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: BindingFilter, limit: int, after: tuple[str, str] | None = None
    ) -> tuple[list[BoundRow], tuple[str, str] | None]:
        """Return a page in the order of appids, and where the next begins: an appid and a binding's id."""
        order = (AppBinding.sub_appid, AppBinding.id)
        query = _bound(scope).where(*_matching(wanted)).order_by(*order).limit(limit + 1)
        if after is not None:
            appid, last = after
            query = query.where(
                or_(AppBinding.sub_appid > appid, and_(AppBinding.sub_appid == appid, AppBinding.id > last))
            )
        async with self._database.read(scope) as session:
            rows = [_row(row) for row in (await session.execute(query)).all()]
        if len(rows) <= limit:
            return rows, None
        last_shown = rows[limit - 1].binding
        return rows[:limit], (last_shown.sub_appid, last_shown.id)

    async def counts(self, scope: ReadScope) -> dict[str, int]:
        """Return how many bindings there are in each status; a status without any is absent."""
        query = (
            select(AppBinding.status, func.count(AppBinding.id))
            .where(*_within(scope))
            .group_by(AppBinding.status)
        )
        async with self._database.read(scope) as session:
            return dict((await session.execute(query)).all())

    async def one(self, scope: ReadScope, binding_id: str) -> BoundRow:
        """Return a binding. Raises NotFound, also for one outside of the scope (Y3)."""
        async with self._database.read(scope) as session:
            found = (await session.execute(_bound(scope).where(AppBinding.id == binding_id))).one_or_none()
        if found is None:
            raise NotFound
        return _row(found)


def _bound(scope: ReadScope) -> Select[AppBinding, str, str, str | None]:
    return (
        select(AppBinding, Tenant.name, Tenant.status, Tenant.sub_mch_id)
        .join(Tenant, and_(Tenant.provider_id == AppBinding.provider_id, Tenant.id == AppBinding.tenant_id))
        .join(Provider, Provider.id == AppBinding.provider_id)
        .where(*_within(scope))
    )


def _within(scope: ReadScope) -> list[ColumnElement[bool]]:
    match scope:
        case TenantScope():
            return [
                AppBinding.provider_id == scope.provider_id,
                AppBinding.tenant_id == scope.tenant_id,
            ]
        case ProviderScope():
            return [AppBinding.provider_id == scope.provider_id]
        case PlatformScope():
            return []


def _matching(wanted: BindingFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.status:
        conditions.append(AppBinding.status == wanted.status)
    if wanted.kind:
        conditions.append(AppBinding.kind == wanted.kind)
    if wanted.tenant_id:
        conditions.append(AppBinding.tenant_id == wanted.tenant_id)
    if wanted.lacks_secret:
        conditions += [AppBinding.kind == "miniprogram", AppBinding.secret_version == 0]
    if wanted.shared:
        other = AppBinding.__table__.alias("other")
        conditions.append(
            select(other.c.id)
            .where(
                other.c.provider_id == AppBinding.provider_id,
                other.c.sub_appid == AppBinding.sub_appid,
                other.c.tenant_id != AppBinding.tenant_id,
            )
            .exists()
        )
    if wanted.q:
        conditions.append(
            or_(
                AppBinding.sub_appid == wanted.q,
                AppBinding.name.icontains(wanted.q, autoescape=True),
                Tenant.name.icontains(wanted.q, autoescape=True),
            )
        )
    return conditions


def _row(row: Row[AppBinding, str, str, str | None]) -> BoundRow:
    binding, name, status, sub_mch_id = row
    return BoundRow(
        binding=binding_row(binding),
        provider_id=binding.provider_id,
        tenant_id=binding.tenant_id,
        tenant_name=name,
        tenant_status=status,
        sub_mch_id=sub_mch_id,
    )
