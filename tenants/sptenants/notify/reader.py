"""Read models of the journal. They read; nothing here changes anything."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, or_, select
from sqlalchemy.orm import defer

from spcore.db.engine import Database
from spcore.db.keyset import Page, decode_cursor, page
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from spcore.errors import NotFound
from spcore.ids import is_id, least_id
from spcore.providers.models import Provider
from sptenants.notify.models import Notification
from sptenants.notify.records import NotificationFilter, NotificationRecord, NotificationRow, row_of
from sptenants.orders.filters import ReadScope
from sptenants.registry.models import Tenant


class NotificationReader:
    """Reads notifications for console and platform pages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self, scope: ReadScope, wanted: NotificationFilter, limit: int, cursor: str | None = None
    ) -> Page[NotificationRow]:
        """Return a page, newest first, without the bodies. Raises InvalidInput for a foreign cursor."""
        query = (
            _with_names(scope)
            .options(defer(Notification.body), defer(Notification.headers))
            .where(*_matching(wanted))
            .order_by(Notification.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            query = query.where(Notification.id < decode_cursor(cursor))
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).all()
        return page([row_of(*row) for row in found], limit)

    async def record(self, scope: ReadScope, notification_id: str) -> NotificationRecord:
        """Return one with what was received. Raises NotFound, also for somebody else's (rule Y3)."""
        query = _with_names(scope).where(Notification.id == notification_id)
        async with self._database.read(scope) as session:
            found = (await session.execute(query)).one_or_none()
        if found is None:
            raise NotFound
        return NotificationRecord.of(found[0], row_of(*found))


def _with_names(scope: ReadScope) -> Select[Notification, str, str | None, str]:
    own_tenant = and_(Tenant.provider_id == Notification.provider_id, Tenant.id == Notification.tenant_id)
    return (
        select(Notification, Tenant.name, Tenant.sub_mch_id, Provider.name)
        .join(Tenant, own_tenant)
        .join(Provider, Provider.id == Notification.provider_id)
        .where(*_within(scope))
    )


def _within(scope: ReadScope) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that keep a query to the scope; the guard insists on them."""
    match scope:
        case TenantScope():
            return (Notification.provider_id == scope.provider_id, Notification.tenant_id == scope.tenant_id)
        case ProviderScope():
            return (Notification.provider_id == scope.provider_id,)
        case PlatformScope():
            return ()


def _matching(wanted: NotificationFilter) -> list[ColumnElement[bool]]:
    """Return the conditions of a filter. Times narrow by the id, which begins with the moment of arrival."""
    equal = {
        Notification.kind: wanted.kind,
        Notification.provider_id: wanted.provider_id,
        Notification.tenant_id: wanted.tenant_id,
    }
    conditions = [column == value for column, value in equal.items() if value is not None]
    if wanted.results:
        conditions.append(Notification.result.in_(wanted.results))
    if wanted.received_from is not None:
        conditions.append(Notification.id >= least_id("ntf", wanted.received_from))
    if wanted.received_to is not None:
        conditions.append(Notification.id < least_id("ntf", wanted.received_to))
    if wanted.number is not None:
        conditions.append(_numbered(wanted.number))
    return conditions


def _numbered(number: str) -> ColumnElement[bool]:
    """Return the condition for a number; each kind of number has an index of its own."""
    if is_id(number, "ntf"):
        return Notification.id == number
    if is_id(number, "ord"):
        return Notification.order_id == number
    return or_(Notification.out_trade_no == number, Notification.transaction_id == number)
