"""Changes to tenants, each inside a `Change`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update

from spcore.errors import Fault, InvalidInput, Text
from spcore.ids import new_id
from sptenants.registry import rules
from sptenants.registry.api_keys import revoke_all
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.registry.models import Tenant
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tokens import new_route_key
from wechatpay.credentials import ProviderKind


@dataclass(frozen=True, slots=True)
class NewTenant:
    name: str
    sub_mch_id: str | None


async def create(change: Change, new: NewTenant, pointer: str = "#") -> Tenant:
    """Store a tenant as a draft. Raises InvalidInput; `pointer` is the place of `new` in the input.

    The change is locked.
    """
    provider = change.provider
    faults = [
        *rules.name_faults(new.name, f"{pointer}/name"),
        *rules.sub_mch_id_faults(
            new.sub_mch_id,
            provider_kind=provider.kind,
            provider_mch_id=provider.mch_id,
            pointer=f"{pointer}/sub_mch_id",
        ),
        *await _taken(change, new, pointer),
    ]
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


async def set_status(
    change: Change, tenant_id: str, status: str, *, reason: str | None, outright: bool = False
) -> bool:
    """Move a tenant along its life and say whether anything changed.

    `outright` leaves out the stages in between, as an import file may; closing is final even then. A closed
    tenant's keys are dead (T12). Raises NotFound and StateConflict, also when somebody was faster. The
    change is locked.
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
    `merchant_refunds`), and say whether anything changed.

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
_ONLY_ONE = Text(
    "普通商户只能有一个商户条目（它自己）。", "A plain merchant is its own only tenant; there is one already."
)
