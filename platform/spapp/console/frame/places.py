"""The three areas as a request sees them: which roles work there, and the `place` their pages are given.

Room for room the routes differ by area in their address and their roles; what a page shows and does is the
same desk in all of them. A desk asks for `place` and gets the one of its area.
"""

from __future__ import annotations

from litestar.di import NamedDependency, Provide
from sqlalchemy import select

from spapp.accounts.models import Role
from spapp.accounts.second_factor import SecondFactors
from spapp.accounts.service import Staff
from spapp.console.frame.workplace import Rights, Workplace
from spapp.web.pages import AnyRequest
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope
from sptenants.registry.access import access
from sptenants.registry.models import Tenant

READERS = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR, Role.PROVIDER_FINANCE, Role.PROVIDER_VIEWER)
MAY_SYNC = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR, Role.PROVIDER_FINANCE)
MAY_CLOSE = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR)
MAY_REFUND = (Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE)
MAY_RESOLVE = MAY_SYNC
MAY_ONBOARD = (Role.PROVIDER_OWNER, Role.PROVIDER_OPERATOR)
"""Tenants, their bindings and webhooks, and sending again."""
MAY_EXPORT = (Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE)
MAY_RECONCILE = (Role.PROVIDER_OWNER, Role.PROVIDER_FINANCE)
"""Close differences, have bills fetched again, set agreed rates."""
OWNERS = (Role.PROVIDER_OWNER,)
"""Keys and people."""

CONSOLE = access("console", *READERS)
ADMIN = access("admin", Role.PLATFORM_ADMIN, Role.PLATFORM_AUDITOR)
ADMIN_CHANGES = access("admin", Role.PLATFORM_ADMIN)
MERCHANT = access("merchant", Role.MERCHANT_USER)

PLATFORM_SCOPE = PlatformScope("pages of the platform's people")


def provider_scope(staff: Staff) -> ProviderScope:
    if staff.provider_id is None:
        raise RuntimeError("a provider's role without its provider")  # the database refuses such a membership
    return ProviderScope(staff.provider_id)


def tenant_scope(staff: Staff) -> TenantScope:
    if staff.provider_id is None or staff.tenant_id is None:
        raise RuntimeError("a merchant's role without its tenant")  # the database refuses such a membership
    return TenantScope(staff.provider_id, staff.tenant_id)


async def _provide_provider_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
    second_factors: NamedDependency[SecondFactors],
) -> Workplace:
    rights = Rights(
        sync=staff.role in MAY_SYNC,
        close=staff.role in MAY_CLOSE,
        refund=staff.role in MAY_REFUND,
        approve=staff.role in MAY_REFUND,
        resolve=staff.role in MAY_RESOLVE,
        export=staff.role in MAY_EXPORT,
        onboard=staff.role in MAY_ONBOARD,
        own=staff.role in OWNERS,
        reconcile=staff.role in MAY_RECONCILE,
        fetch_bills=staff.role in MAY_RECONCILE,
        refund_pages=True,
        tenant_page=True,
    )
    scope = provider_scope(staff)
    return Workplace(
        request,
        database,
        staff,
        clock.now(),
        scope,
        "/console",
        "/console/orders",
        rights,
        second_factors,
    )


async def _provide_platform_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
    second_factors: NamedDependency[SecondFactors],
) -> Workplace:
    administers = staff.role == Role.PLATFORM_ADMIN
    rights = Rights(sees_provider=True, export=True, own=administers, fetch_bills=administers)
    return Workplace(
        request,
        database,
        staff,
        clock.now(),
        PLATFORM_SCOPE,
        "/admin",
        "/admin/transactions",
        rights,
        second_factors,
    )


async def _provide_merchant_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
    second_factors: NamedDependency[SecondFactors],
) -> Workplace:
    scope = tenant_scope(staff)
    query = select(Tenant.merchant_refunds).where(
        Tenant.provider_id == scope.provider_id, Tenant.id == scope.tenant_id
    )
    async with database.read(scope) as session:
        may_refund = (await session.scalars(query)).one()
    rights = Rights(
        sync=True, close=True, refund=may_refund, export=True, onboard=True, own=True, refund_pages=True
    )
    return Workplace(request, database, staff, clock.now(), scope, "/m", "/m/orders", rights, second_factors)


async def _provide_any_place(
    request: AnyRequest,
    staff: NamedDependency[Staff],
    clock: NamedDependency[Clock],
    database: NamedDependency[Database],
    second_factors: NamedDependency[SecondFactors],
) -> Workplace:
    """The place of the person's role, for pages that lie outside the three areas."""
    if staff.role.startswith("platform_"):
        provide = _provide_platform_place
    else:
        provide = _provide_provider_place if staff.tenant_id is None else _provide_merchant_place
    return await provide(request, staff, clock, database, second_factors)


any_place = Provide(_provide_any_place)
provider_place = Provide(_provide_provider_place)
platform_place = Provide(_provide_platform_place)
merchant_place = Provide(_provide_merchant_place)
