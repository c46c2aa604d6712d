"""Changes to tenants, each inside a `Change`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.ids import new_id
from spcore.vault import Vault
from sptenants.registry import events, rules
from sptenants.registry.api_keys import revoke_all
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import Tenant
from sptenants.registry.particulars import NOTHING_KNOWN, Contact, Particulars, open_contact
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tokens import new_route_key
from wechatpay.credentials import ProviderKind

NUMBER_OPEN = frozenset({TenantStatus.DRAFT, TenantStatus.ONBOARDING})
"""Stages in which the number may be missing or put right: nothing was paid under it."""
TAKES_NUMBER = frozenset({TenantStatus.READY, TenantStatus.LIVE, TenantStatus.SUSPENDED})


@dataclass(frozen=True, slots=True)
class NewTenant:
    """`number_later` lets a draft stand without its number until it is to take money."""

    name: str
    sub_mch_id: str | None
    particulars: Particulars = NOTHING_KNOWN
    number_later: bool = False


async def create(change: Change, new: NewTenant, pointer: str = "#") -> Tenant:
    """Store a tenant as a draft. Raises InvalidInput; `pointer` is the place of `new` in the input.

    The change is locked.
    """
    provider = change.provider
    faults = [*_name_faults(new.name, pointer), *new.particulars.faults(pointer)]
    if new.sub_mch_id is not None or not new.number_later:
        faults += _number_faults(change, new.sub_mch_id, pointer)
    faults += await _taken(change, new, pointer)
    if faults:
        raise InvalidInput(*faults)
    tenant = Tenant(
        id=new_id("ten", change.now),
        provider_id=provider.id,
        sub_mch_id=new.sub_mch_id,
        name=new.name,
        status=TenantStatus.DRAFT.value,
        route_key=new_route_key(),
        created_at=change.now,
        updated_at=change.now,
    )
    known = new.particulars
    if known != NOTHING_KNOWN:
        tenant.short_name = known.short_name or None
        tenant.settlement_note = known.settlement_note or None
        for field, value in _contact_values(change, tenant, known.contact).items():
            setattr(tenant, field, value)
    change.session.add(tenant)
    await change.session.flush()
    await change.audit(
        "tenant.created",
        "tenant",
        tenant.id,
        tenant_id=tenant.id,
        after={"name": new.name, "sub_mch_id": new.sub_mch_id, "status": tenant.status},
    )
    return tenant


async def describe(change: Change, tenant_id: str, name: str, known: Particulars, pointer: str = "#") -> bool:
    """Set name, short name, contact and settlement note, and say whether anything changed.

    The audit log gets the contact masked. Raises NotFound and InvalidInput. The change is locked.
    """
    tenant = await change.tenant(tenant_id)
    faults = [*_name_faults(name, pointer), *known.faults(pointer)]
    if not faults and name != tenant.name and await _has(change, Tenant.name == name):
        faults = [Fault(f"{pointer}/name", "taken", _NAME_TAKEN)]
    if faults:
        raise InvalidInput(*faults)
    contact = contact_of(change.vault, tenant)
    wanted = {
        "name": name,
        "short_name": known.short_name or None,
        "settlement_note": known.settlement_note or None,
    }
    before: dict[str, Any] = {
        field: getattr(tenant, field) for field, value in wanted.items() if getattr(tenant, field) != value
    }
    after: dict[str, Any] = {field: wanted[field] for field in before}
    values: dict[str, Any] = dict(wanted)
    if contact != known.contact:
        before["contact"], after["contact"] = contact.hint, known.contact.hint
        values |= _contact_values(change, tenant, known.contact)
    if not before:
        return False
    await _set(change, tenant_id, values)
    await change.audit("tenant.changed", "tenant", tenant_id, tenant_id=tenant_id, before=before, after=after)
    return True


async def number(change: Change, tenant_id: str, sub_mch_id: str, pointer: str = "#") -> bool:
    """Write down a tenant's WeChat number, which may be put right until it is ready. Says if it changed.

    Raises NotFound, InvalidInput and StateConflict. The change is locked.
    """
    tenant = await change.tenant(tenant_id)
    if tenant.sub_mch_id == sub_mch_id:
        return False
    if tenant.status not in NUMBER_OPEN:
        raise StateConflict(_NUMBER_FIXED)
    faults = _number_faults(change, sub_mch_id, pointer)
    if not faults and await _has(change, Tenant.sub_mch_id == sub_mch_id):
        faults = [Fault(f"{pointer}/sub_mch_id", "taken", _NUMBER_TAKEN)]
    if faults:
        raise InvalidInput(*faults)
    before = {"sub_mch_id": tenant.sub_mch_id}
    await _set(change, tenant_id, {"sub_mch_id": sub_mch_id})
    after = {"sub_mch_id": sub_mch_id}
    await change.audit("tenant.changed", "tenant", tenant_id, tenant_id=tenant_id, before=before, after=after)
    return True


def contact_of(vault: Vault, tenant: Tenant) -> Contact:
    """Return whom to ask at a tenant, unmasked. Raises VaultError."""
    if tenant.contact_sealed is None:
        return Contact()
    scope = TenantScope(tenant.provider_id, tenant.id)
    return open_contact(vault, scope, tenant.contact_sealed, tenant.contact_version)


async def set_status(
    change: Change, tenant_id: str, status: str, *, reason: str | None, outright: bool = False
) -> bool:
    """Move a tenant along its life and say whether anything changed.

    `outright` leaves out the stages in between, as an import file may: it says how things stand, so nobody is
    told of it; closing is final even then. Otherwise the merchant's server hears of `tenant.live` and
    `tenant.suspended`. A closed tenant's keys are dead (T12). Raises NotFound and StateConflict, also when
    somebody was faster. The change is locked.
    """
    tenant = await change.tenant(tenant_id)
    before, wanted = tenant.status, TenantStatus(status)
    if before == wanted:
        return False
    allowed = before != TenantStatus.CLOSED if outright else rules.may_move(before, wanted)
    if not allowed:
        raise StateConflict(
            Text(
                f"特约商户当前为 {before}，不能改为 {wanted}。",
                f"The sub-merchant is {before} and cannot become {wanted}.",
            )
        )
    if wanted in TAKES_NUMBER and tenant.sub_mch_id is None and change.provider.kind != ProviderKind.MERCHANT:
        raise StateConflict(_NUMBER_MISSING)
    moved = await change.session.execute(
        update(Tenant)
        .where(Tenant.provider_id == change.provider.id, Tenant.id == tenant_id, Tenant.status == before)
        .values(status=wanted.value, updated_at=change.now)
        .returning(Tenant.id)
    )
    if moved.scalar_one_or_none() is None:
        raise StateConflict(Text("状态刚刚被他人修改，请刷新后重试。", "Somebody was faster; look again."))
    if wanted is TenantStatus.CLOSED:
        await revoke_all(change, tenant_id)
    if not outright:
        await events.tell(change, tenant, wanted)
    await change.audit(
        "tenant.status_changed",
        "tenant",
        tenant_id,
        tenant_id=tenant_id,
        before={"status": before},
        after={"status": wanted.value},
        reason=reason,
    )
    return True


async def amend(change: Change, tenant_id: str, wanted: dict[str, Any], pointer: str = "#") -> bool:
    """Set name, limits (`server_per_second`, `session_per_second`) or policies (`refunds_double_payments`,
    `merchant_refunds`, `own_bills`), and say whether anything changed.

    Raises NotFound and InvalidInput. The change is locked.
    """
    tenant = await change.tenant(tenant_id)
    before = {name: getattr(tenant, name) for name, value in wanted.items() if getattr(tenant, name) != value}
    if not before:
        return False
    after = {name: wanted[name] for name in before}
    if "name" in after:
        faults = rules.name_faults(after["name"], f"{pointer}/name")
        if not faults and await _has(change, Tenant.name == after["name"]):
            faults = [Fault(f"{pointer}/name", "taken", _NAME_TAKEN)]
        if faults:
            raise InvalidInput(*faults)
    await change.session.execute(
        update(Tenant)
        .where(Tenant.provider_id == change.provider.id, Tenant.id == tenant_id)
        .values(**after, updated_at=change.now)
    )
    await change.audit("tenant.changed", "tenant", tenant_id, tenant_id=tenant_id, before=before, after=after)
    return True


def _number_faults(change: Change, sub_mch_id: str | None, pointer: str) -> list[Fault]:
    return rules.sub_mch_id_faults(
        sub_mch_id,
        provider_kind=change.provider.kind,
        provider_mch_id=change.provider.mch_id,
        pointer=f"{pointer}/sub_mch_id",
    )


def _name_faults(name: str, pointer: str) -> list[Fault]:
    place = f"{pointer}/name"
    return rules.name_faults(name, place) or rules.lookalike_faults(name, place)


def _contact_values(change: Change, tenant: Tenant, contact: Contact) -> dict[str, Any]:
    """Return the columns that hold whom to ask."""
    version = (tenant.contact_version or 0) + 1
    scope = TenantScope(change.provider.id, tenant.id)
    return {
        "contact_version": version,
        "contact_sealed": None if contact.is_empty else contact.seal(change.vault, scope, version),
        "contact_hint": None if contact.is_empty else contact.hint,
    }


async def _set(change: Change, tenant_id: str, values: dict[str, Any]) -> None:
    await change.session.execute(
        update(Tenant)
        .where(Tenant.provider_id == change.provider.id, Tenant.id == tenant_id)
        .values(**values, updated_at=change.now)
        .execution_options(synchronize_session=False)
    )


async def _taken(change: Change, new: NewTenant, pointer: str) -> list[Fault]:
    faults = []
    if await _has(change, Tenant.name == new.name):
        faults.append(Fault(f"{pointer}/name", "taken", _NAME_TAKEN))
    if new.sub_mch_id is not None and await _has(change, Tenant.sub_mch_id == new.sub_mch_id):
        faults.append(Fault(f"{pointer}/sub_mch_id", "taken", _NUMBER_TAKEN))
    if change.provider.kind == ProviderKind.MERCHANT and await _has(change, Tenant.sub_mch_id.is_(None)):
        faults.append(Fault(pointer, "only_one", _ONLY_ONE))
    return faults


async def _has(change: Change, condition: Any) -> bool:
    counted = await change.session.scalar(
        select(func.count(Tenant.id)).where(Tenant.provider_id == change.provider.id, condition)
    )
    return bool(counted)


_NAME_TAKEN = Text(
    "同一服务商下已有同名特约商户，请换一个可区分的名称。",
    "is the name of another sub-merchant of this provider; choose one that tells them apart.",
)
_NUMBER_TAKEN = Text(
    "该特约商户号已登记在本服务商名下。", "is registered for this provider already; it cannot be used twice."
)
_NUMBER_FIXED = Text(
    "该特约商户已通过接入，特约商户号不能再改；如填错，请关闭后重新接入。",
    "This sub-merchant is through onboarding and its number stays; if it is wrong, close it and begin anew.",
)
_NUMBER_MISSING = Text(
    "还没有填写特约商户号，不能上线：请先在接入流程第 2 步填写。",
    "There is no sub-merchant number yet: fill it in at step 2 of onboarding.",
)
_ONLY_ONE = Text(
    "普通商户只能有一个商户条目（它自己）。", "A plain merchant is its own only tenant; there is one already."
)
