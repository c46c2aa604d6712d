"""The frame around every page: menu, place, person. It differs by role and by nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Response
from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.accounts.models import Membership, Role
from spapp.accounts.notices import NoticeLine, unread
from spapp.accounts.service import Staff, Visiting
from spapp.console.frame.menu import Area, NavGroup, area_of
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest, page
from spcore.db.engine import Database
from spcore.db.scope import DoorScope, PlatformScope, ProviderScope, TenantScope
from spcore.providers.models import Provider
from sptenants.anomalies.reader import AnomalyReader, ReadScope
from sptenants.registry.models import Tenant

ROLE_WORDS = {
    Role.PLATFORM_ADMIN: N_("平台管理员"),
    Role.PLATFORM_AUDITOR: N_("平台审计员"),
    Role.PROVIDER_OWNER: N_("服务商管理员"),
    Role.PROVIDER_OPERATOR: N_("运营"),
    Role.PROVIDER_FINANCE: N_("财务"),
    Role.PROVIDER_VIEWER: N_("只读"),
    Role.MERCHANT_USER: N_("商户用户"),
}


MOST_COUNTED = 1000
"""More than that waiting is shown as `999+`."""

REMINDED = frozenset({Role.PLATFORM_ADMIN, Role.PROVIDER_OWNER})
"""Whoever may change keys and people is reminded of the second factor until they have one."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the person's roles and where it is; `name` is None on the platform."""

    membership_id: str
    role: str
    name: str | None
    number: str | None
    mode: str | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> Place:
        """Read what `shell_for` selects."""
        membership_id, role, provider_name, mch_id, mode, tenant_name, sub_mch_id = row
        at_tenant = tenant_name is not None
        return cls(
            membership_id,
            ROLE_WORDS[Role(role)],
            name=tenant_name if at_tenant else provider_name,
            number=(sub_mch_id or mch_id) if at_tenant else mch_id,
            mode=mode,
        )


@dataclass(frozen=True, slots=True)
class Shell:
    """What `layout/shell.html` shows. `mode` is that of the provider the person works for."""

    area: Area
    groups: tuple[NavGroup, ...]
    """The menu, without what the person's role cannot use."""
    person_name: str
    email: str
    place: Place
    other_places: tuple[Place, ...]
    counts: Mapping[str, str]
    """What waits behind a menu item, by its address; nothing for none."""
    lacks_second_factor: bool
    """Shown as a reminder above the page."""
    notices: tuple[NoticeLine, ...]
    """What other owners did, until read."""
    look_reason: str | None
    """Why a person of the platform looks at rows of tenants; None for routine review."""
    visit: Visiting | None
    """The stay of a platform administrator in this provider's console."""

    @property
    def brand(self) -> str:
        return self.area.brand

    @property
    def home(self) -> str:
        return self.area.home

    @property
    def role(self) -> str:
        return self.place.role

    @property
    def mode(self) -> str | None:
        return self.place.mode

    @property
    def place_name(self) -> str | None:
        return self.place.name

    @property
    def place_number(self) -> str | None:
        return self.place.number

    @property
    def initial(self) -> str:
        return self.person_name[:1].upper()


async def shell_for(database: Database, staff: Staff) -> Shell:
    """Read the person's places, the present one among them, and what waits for somebody."""
    query = (
        select(
            Membership.id,
            Membership.role,
            Provider.name,
            Provider.mch_id,
            Provider.mode,
            Tenant.name,
            Tenant.sub_mch_id,
        )
        .outerjoin(Provider, Provider.id == Membership.provider_id)
        .outerjoin(
            Tenant, and_(Tenant.provider_id == Membership.provider_id, Tenant.id == Membership.tenant_id)
        )
        .where(Membership.person_id == staff.person_id)
        .order_by(Membership.id)
    )
    async with database.read(DoorScope()) as session:
        places = [Place.of(row) for row in (await session.execute(query)).all()]
        here = await _visited(session, staff)
    area = area_of(staff.role)
    return Shell(
        area=area,
        groups=area.menu_for(staff.role),
        person_name=staff.name,
        email=staff.email,
        place=here or next(place for place in places if place.membership_id == staff.membership_id),
        other_places=()
        if staff.visit
        else tuple(place for place in places if place.membership_id != staff.membership_id),
        counts=await _open_work(database, staff, area),
        lacks_second_factor=staff.role in REMINDED and not staff.has_second_factor,
        notices=await unread(database, staff),
        look_reason=staff.look_reason,
        visit=staff.visit,
    )


async def _visited(session: AsyncSession, staff: Staff) -> Place | None:
    """Return the provider that a platform administrator visits as their place; None outside of visits."""
    if staff.visit is None:
        return None
    query = select(Provider.name, Provider.mch_id, Provider.mode).where(
        Provider.id == staff.visit.provider_id
    )
    name, mch_id, mode = (await session.execute(query)).one()
    return Place(staff.membership_id, ROLE_WORDS[Role.PLATFORM_ADMIN], name, mch_id, mode)


async def _open_work(database: Database, staff: Staff, area: Area) -> Mapping[str, str]:
    waiting = sum((await AnomalyReader(database).open_counts(_scope_of(staff))).values())
    if waiting == 0:
        return {}
    return {f"{area.prefix}/anomalies": str(waiting) if waiting < MOST_COUNTED else f"{MOST_COUNTED - 1}+"}


def _scope_of(staff: Staff) -> ReadScope:
    if staff.provider_id is None:
        return PlatformScope("how much work waits, for the platform's people")
    if staff.tenant_id is None:
        return ProviderScope(staff.provider_id)
    return TenantScope(staff.provider_id, staff.tenant_id)


async def show(
    request: AnyRequest, database: Database, staff: Staff, template: str, /, **context: Any
) -> Response[str]:
    """Answer with a page inside the frame."""
    shell = await shell_for(database, staff)
    return page(request, template, shell=shell, csrf_token=staff.csrf_token, **context)
