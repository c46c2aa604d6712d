"""Changes to API keys: made, shown once, kept as a hash, revoked for good."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from sptenants.registry import rules
from sptenants.registry.changes import Change
from sptenants.registry.models import ApiKey
from sptenants.registry.rights import NO_LIMITS, OF_PROVIDER_KEYS, OF_TENANT_KEYS, KeyLimits, rights_faults
from sptenants.registry.tokens import new_api_key


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key that was just made; this is the only moment its text is known."""

    id: str
    name: str
    secret: str = field(repr=False)


async def issue(
    change: Change,
    tenant_id: str | None,
    name: str,
    pointer: str = "#",
    *,
    limits: KeyLimits = NO_LIMITS,
) -> IssuedKey:
    """Make a key of a tenant's server or, without a tenant, of the provider itself.

    Raises NotFound and InvalidInput; names are unique among the keys in use, so that people can tell them
    apart. The change is locked.
    """
    await check(change, tenant_id, name, limits, pointer)
    made = new_api_key("wpk" if tenant_id is None else "wsk", change.provider.mode)
    key = ApiKey(
        id=new_id("key", change.now),
        provider_id=change.provider.id,
        tenant_id=tenant_id,
        name=name,
        secret_hash=made.secret_hash,
        hint=made.hint,
        rights=None if limits.rights is None else list(limits.rights),
        networks=None if limits.networks is None else list(limits.networks),
        created_by=change.actor.name,
        created_at=change.now,
    )
    change.session.add(key)
    await change.session.flush()
    after: dict[str, Any] = {"name": name, "hint": key.hint}
    if key.rights is not None:
        after["rights"] = key.rights
    if key.networks is not None:
        after["networks"] = key.networks
    await change.audit("api_key.created", "api_key", key.id, tenant_id=tenant_id, after=after)
    return IssuedKey(key.id, name, made.secret)


async def check(
    change: Change, tenant_id: str | None, name: str, limits: KeyLimits, pointer: str = "#"
) -> None:
    """Raises what `issue` would raise for such a key; nothing is stored."""
    if tenant_id is not None:
        await change.tenant(tenant_id)
    offered = OF_PROVIDER_KEYS if tenant_id is None else OF_TENANT_KEYS
    faults = rules.name_faults(name, f"{pointer}/name")
    faults += rights_faults(limits.rights, offered, f"{pointer}/rights")
    if not faults and name in {key.name for key in await in_use(change, tenant_id)}:
        faults = [Fault(f"{pointer}/name", "taken", _NAME_TAKEN)]
    if faults:
        raise InvalidInput(*faults)


async def in_use(change: Change, tenant_id: str | None) -> list[ApiKey]:
    """Return the keys that are not revoked, of the tenant or of the provider itself, oldest first."""
    place = ApiKey.tenant_id.is_(None) if tenant_id is None else ApiKey.tenant_id == tenant_id
    rows = await change.session.scalars(
        select(ApiKey)
        .where(ApiKey.provider_id == change.provider.id, place, ApiKey.revoked_at.is_(None))
        .order_by(ApiKey.id)
    )
    return list(rows)


async def revoke(change: Change, key_id: str, tenant_id: str | None = None) -> None:
    """Make a key useless from now on (O13). With `tenant_id` it has to be that tenant's.

    Raises NotFound for a key that is not in use here.
    """
    mine = [ApiKey.provider_id == change.provider.id, ApiKey.id == key_id, ApiKey.revoked_at.is_(None)]
    if tenant_id is not None:
        mine.append(ApiKey.tenant_id == tenant_id)
    revoked = await change.session.execute(
        update(ApiKey)
        .where(*mine)
        .values(revoked_at=change.now)
        .returning(ApiKey.tenant_id, ApiKey.name)
        .execution_options(synchronize_session=False)
    )
    row = revoked.one_or_none()
    if row is None:
        raise NotFound
    await change.audit(
        "api_key.revoked", "api_key", key_id, tenant_id=row.tenant_id, before={"name": row.name}
    )


async def revoke_all(change: Change, tenant_id: str) -> None:
    for key in await in_use(change, tenant_id):
        await revoke(change, key.id)


_NAME_TAKEN = Text("已有同名密钥，请换一个名称。", "is the name of another key in use; choose another.")
