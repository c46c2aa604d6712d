"""Changes to app bindings, each inside a `Change`: five slots, one provider an appid, sealed secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlalchemy.dialects import postgresql, sqlite

from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, NotFound, Text
from spcore.ids import new_id
from spcore.providers.keys import fingerprint
from sptenants.registry import rules
from sptenants.registry.bindings import BindingProfile, secret_context
from sptenants.registry.changes import Change
from sptenants.registry.errors import StateConflict
from sptenants.registry.ledger import LedgerEvent, write_history
from sptenants.registry.models import MAX_BINDINGS, AppBinding, AppClaim
from sptenants.registry.rules import TenantStatus


@dataclass(frozen=True, slots=True)
class NewBinding:
    """An appid to bind. `app_secret` is needed where users of a mini-program shall log in; `name` is what
    people call the app.
    """

    sub_appid: str
    kind: str
    owner: str
    app_secret: str | None = field(default=None, repr=False)
    name: str | None = None

    def faults(self, pointer: str = "#") -> list[Fault]:
        """Return what is wrong with it by itself, empty when it may be bound."""
        found = [
            *rules.appid_faults(self.sub_appid, f"{pointer}/sub_appid"),
            *rules.owner_faults(self.kind, self.owner, pointer),
        ]
        if self.app_secret is not None:
            found += rules.app_secret_faults(self.app_secret, f"{pointer}/app_secret")
        if self.name is not None:
            found += rules.name_faults(self.name, f"{pointer}/name")
        return found


async def of_tenant(change: Change, tenant_id: str) -> list[AppBinding]:
    """Return the tenant's bindings by slot."""
    rows = await change.session.scalars(
        select(AppBinding)
        .where(AppBinding.provider_id == change.provider.id, AppBinding.tenant_id == tenant_id)
        .order_by(AppBinding.slot)
    )
    return list(rows)


async def add(
    change: Change, tenant_id: str, new: NewBinding, *, status: str = "unverified", pointer: str = "#"
) -> BindingProfile:
    """Bind an appid to a tenant, in its lowest free slot.

    Raises NotFound, StateConflict (tenant closed) and InvalidInput: a pair WeChat does not allow, a sixth
    appid (S1-40), the same one twice, or an appid of another provider (O06). The change is locked.
    """
    tenant = await change.tenant(tenant_id)
    if tenant.status == TenantStatus.CLOSED:
        raise StateConflict(Text("该特约商户已关闭，不能再绑定。", "This sub-merchant is closed for good."))
    bound = await of_tenant(change, tenant_id)
    if faults := new.faults(pointer) or _against(bound, new, pointer):
        raise InvalidInput(*faults)
    await _claim(change, new.sub_appid, f"{pointer}/sub_appid")
    binding_id = new_id("bnd", change.now)
    scope = TenantScope(change.provider.id, tenant_id)
    row = AppBinding(
        provider_id=change.provider.id,
        tenant_id=tenant_id,
        id=binding_id,
        slot=min(set(range(1, MAX_BINDINGS + 1)) - {other.slot for other in bound}),
        mode=change.provider.mode,
        sub_appid=new.sub_appid,
        name=new.name,
        kind=new.kind,
        owner=new.owner,
        status=status,
        secret_version=0,
        created_at=change.now,
        updated_at=change.now,
    )
    if new.app_secret is not None:
        secret = new.app_secret.encode()
        row.secret_version = 1
        row.secret_sealed = change.vault.seal(secret, secret_context(scope, binding_id, 1))
        row.secret_fingerprint = fingerprint(secret)
        row.secret_hint, row.secret_changed_at = secret_hint(new.app_secret), change.now
    change.session.add(row)
    await change.session.flush()
    await change.audit(
        "binding.created",
        "binding",
        binding_id,
        tenant_id=tenant_id,
        after={"slot": row.slot, "sub_appid": new.sub_appid, "kind": new.kind, "owner": new.owner},
    )
    declared = {"slot": row.slot, "kind": new.kind, "owner": new.owner, "after": status}
    await _history(change, row, LedgerEvent.DECLARED, declared)
    return BindingProfile.of(row)


async def amend(change: Change, tenant_id: str, binding_id: str, *, kind: str, owner: str) -> bool:
    """Correct what a bound app is and whose, and say whether anything changed.

    Raises NotFound and InvalidInput. The change is locked.
    """
    row = await _one(change, tenant_id, binding_id)
    if (row.kind, row.owner) == (kind, owner):
        return False
    if faults := rules.owner_faults(kind, owner, "#"):
        raise InvalidInput(*faults)
    before = {"kind": row.kind, "owner": row.owner}
    await change.session.execute(
        update(AppBinding)
        .where(*_is(change, tenant_id, binding_id))
        .values(kind=kind, owner=owner, updated_at=change.now)
    )
    await change.audit(
        "binding.changed",
        "binding",
        binding_id,
        tenant_id=tenant_id,
        before=before,
        after={"kind": kind, "owner": owner},
    )
    now_as = {"kind": kind, "owner": owner, "before": before}
    await _history(change, row, LedgerEvent.CHANGED, now_as)
    return True


async def rename(change: Change, tenant_id: str, binding_id: str, name: str | None) -> bool:
    """Call a bound app something else, and say whether anything changed.

    Raises NotFound and InvalidInput. The change is locked.
    """
    row = await _one(change, tenant_id, binding_id)
    if row.name == name:
        return False
    if name is not None and (faults := rules.name_faults(name, "#/name")):
        raise InvalidInput(*faults)
    before, after = {"name": row.name}, {"name": name}
    await change.session.execute(
        update(AppBinding).where(*_is(change, tenant_id, binding_id)).values(name=name, updated_at=change.now)
    )
    await change.audit(
        "binding.changed", "binding", binding_id, tenant_id=tenant_id, before=before, after=after
    )
    return True


def secret_hint(app_secret: str) -> str | None:
    """Return the last four characters, by which people tell secrets apart; a short secret shows none."""
    return app_secret[-4:] if len(app_secret) >= 16 else None


async def replace_secret(change: Change, tenant_id: str, binding_id: str, app_secret: str) -> bool:
    """Store another AppSecret and say whether it is another one. Raises NotFound and InvalidInput.

    There is no way to read one back (S1-05, S1-09). The change is locked.
    """
    if faults := rules.app_secret_faults(app_secret, "#/app_secret"):
        raise InvalidInput(*faults)
    row = await _one(change, tenant_id, binding_id)
    secret, version = app_secret.encode(), row.secret_version + 1
    mark = fingerprint(secret)
    if row.secret_fingerprint == mark:
        return False
    context = secret_context(TenantScope(change.provider.id, tenant_id), binding_id, version)
    await change.session.execute(
        update(AppBinding)
        .where(*_is(change, tenant_id, binding_id))
        .values(
            secret_sealed=change.vault.seal(secret, context),
            secret_version=version,
            secret_fingerprint=mark,
            secret_hint=secret_hint(app_secret),
            secret_changed_at=change.now,
            updated_at=change.now,
        )
    )
    await change.audit(
        "binding.secret_replaced", "binding", binding_id, tenant_id=tenant_id, after={"version": version}
    )
    await _history(change, row, LedgerEvent.SECRET_REPLACED, {"version": version})
    return True


async def remove(change: Change, tenant_id: str, binding_id: str) -> None:
    """Unbind an appid: its slot is free again, and orders keep the appid they were made with.

    An appid that no tenant of the provider uses any more is free for other providers. Raises NotFound. The
    change is locked.
    """
    row = await _one(change, tenant_id, binding_id)
    before = {"slot": row.slot, "sub_appid": row.sub_appid, "kind": row.kind, "owner": row.owner}
    await change.session.execute(delete(AppBinding).where(*_is(change, tenant_id, binding_id)))
    await change.session.execute(
        delete(AppClaim).where(
            AppClaim.provider_id == change.provider.id,
            AppClaim.mode == row.mode,
            AppClaim.sub_appid == row.sub_appid,
            ~exists().where(
                and_(
                    AppBinding.provider_id == change.provider.id,
                    AppBinding.mode == row.mode,
                    AppBinding.sub_appid == row.sub_appid,
                )
            ),
        )
    )
    await change.audit("binding.removed", "binding", binding_id, tenant_id=tenant_id, before=before)
    await _history(change, row, LedgerEvent.REMOVED, before)


async def _history(change: Change, row: AppBinding, what: LedgerEvent, facts: Mapping[str, Any]) -> None:
    """Write the ledger of bindings in the same transaction (B-17)."""
    scope = TenantScope(row.provider_id, row.tenant_id)
    await write_history(change.session, scope, row.id, row.sub_appid, what, facts, change.actor, change.now)


def _against(bound: list[AppBinding], new: NewBinding, pointer: str) -> list[Fault]:
    if new.sub_appid in {other.sub_appid for other in bound}:
        return [Fault(f"{pointer}/sub_appid", "already_bound", _ALREADY_BOUND)]
    if len(bound) >= MAX_BINDINGS:
        return [Fault(f"{pointer}/sub_appid", "no_free_slot", rules.NO_FREE_SLOT)]
    return []


async def _claim(change: Change, sub_appid: str, pointer: str) -> None:
    """Take the appid for this provider, or find that it was taken. Another provider's claim is invisible
    here: that the insertion does nothing is all there is to see.
    """
    dialect = postgresql if change.session.get_bind().dialect.name == "postgresql" else sqlite
    mine = {"mode": change.provider.mode, "sub_appid": sub_appid, "provider_id": change.provider.id}
    await change.session.execute(dialect.insert(table_of(AppClaim)).on_conflict_do_nothing(), [mine])
    held = await change.session.scalar(
        select(AppClaim.sub_appid).where(
            AppClaim.provider_id == change.provider.id,
            AppClaim.mode == change.provider.mode,
            AppClaim.sub_appid == sub_appid,
        )
    )
    if held is None:
        raise InvalidInput(Fault(pointer, "appid_in_use", _IN_USE))


async def _one(change: Change, tenant_id: str, binding_id: str) -> AppBinding:
    row = await change.session.scalar(
        select(AppBinding)
        .where(*_is(change, tenant_id, binding_id))
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound
    return row


def _is(change: Change, tenant_id: str, binding_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        AppBinding.provider_id == change.provider.id,
        AppBinding.tenant_id == tenant_id,
        AppBinding.id == binding_id,
    )


_ALREADY_BOUND = Text("已绑定到该特约商户。", "is bound to this sub-merchant already.")
_IN_USE = Text(
    "该 AppID 已被另一服务商的特约商户使用，请确认 AppID，或先在原服务商处解绑。",
    "is used by a sub-merchant of another service provider; check the appid or unbind it there first.",
)
