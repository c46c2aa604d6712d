"""Taking in many sub-merchants at once: a dry run that says what each line would do, then all or nothing.

A plan carries a digest of the list and of what it would change. Applying asks for that digest, so that
nothing happens that nobody has seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.profile import ProviderProfile
from spcore.vault import Vault
from sptenants.onboarding.errors import PlanOutdated
from sptenants.onboarding.sheet import Row, Sheet, canonical
from sptenants.registry import binding_changes, rules, tenants
from sptenants.registry.access import RequestFacts
from sptenants.registry.changes import Change
from sptenants.registry.door import ProviderCaller
from sptenants.registry.models import MAX_BINDINGS, AppBinding, Tenant
from sptenants.registry.particulars import Contact, Particulars
from sptenants.registry.rules import TenantStatus
from sptenants.registry.tenants import NewTenant


class Outcome(StrEnum):
    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that would change; texts as people see them, personal data masked."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class PlannedRow:
    row: Row
    outcome: Outcome
    tenant_id: str | None
    differences: tuple[Difference, ...]
    faults: tuple[Fault, ...]
    new_apps: tuple[str, ...] = ()
    particulars: Particulars | None = field(default=None, repr=False)
    """What the tenant would be described by, with what the list leaves empty kept as it is."""


@dataclass(frozen=True, slots=True)
class Plan:
    rows: tuple[PlannedRow, ...]
    sheet_digest: str

    @property
    def counts(self) -> Mapping[Outcome, int]:
        return {outcome: sum(row.outcome is outcome for row in self.rows) for outcome in Outcome}

    @property
    def ok(self) -> bool:
        return not self.counts[Outcome.ERROR]

    @property
    def changes_anything(self) -> bool:
        return any(row.outcome in {Outcome.NEW, Outcome.CHANGED} for row in self.rows)

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the list and of what it would do to what is stored now."""
        effects = [
            [row.outcome.value, row.tenant_id, [[d.field, d.before, d.after] for d in row.differences]]
            for row in self.rows
        ]
        return hashlib.sha256(f"{self.sheet_digest}\n{canonical(effects)}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Stored:
    """A tenant as the list is compared with it."""

    id: str
    name: str
    sub_mch_id: str | None
    status: str
    particulars: Particulars = field(repr=False)
    apps: frozenset[str]


class TenantImport:
    """Raises what the parts raise; nothing is stored unless everything is."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock

    async def dry_run(self, caller: ProviderCaller, sheet: Sheet) -> Plan:
        """Say what each line would do. Changes nothing."""
        async with self._database.read(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now())
            return _plan(caller.provider, sheet, await _stored(change))

    async def apply(
        self, caller: ProviderCaller, sheet: Sheet, digest: str, facts: RequestFacts | None = None
    ) -> Plan:
        """Do what a dry run showed, all of it in one transaction, and return what was done.

        Raises PlanOutdated when `digest` is not that of the plan as it is now, InvalidInput when a line
        cannot be done, such as an appid of another provider.
        """
        async with self._database.write(caller.scope) as session:
            change = Change(session, self._vault, caller.provider, caller.actor, self._clock.now(), facts)
            await change.lock()
            plan = _plan(caller.provider, sheet, await _stored(change))
            if plan.digest != digest or not plan.ok:
                raise PlanOutdated
            for planned in plan.rows:
                await _do(change, planned)
            counts = {outcome.value: count for outcome, count in plan.counts.items() if count}
            await change.audit(
                "tenants.imported",
                "provider",
                caller.provider.id,
                after={"file_sha256": plan.sheet_digest, "rows": len(plan.rows), **counts},
            )
        return plan


async def _stored(change: Change) -> list[Stored]:
    scope: ProviderScope = ProviderScope(change.provider.id)
    rows = await change.session.scalars(select(Tenant).where(Tenant.provider_id == scope.provider_id))
    bound: dict[str, set[str]] = {}
    appids = select(AppBinding.tenant_id, AppBinding.sub_appid).where(
        AppBinding.provider_id == scope.provider_id
    )
    for tenant_id, sub_appid in (await change.session.execute(appids)).all():
        bound.setdefault(tenant_id, set()).add(sub_appid)
    return [
        Stored(
            id=row.id,
            name=row.name,
            sub_mch_id=row.sub_mch_id,
            status=row.status,
            particulars=Particulars(
                row.short_name or "", tenants.contact_of(change.vault, row), row.settlement_note or ""
            ),
            apps=frozenset(bound.get(row.id, ())),
        )
        for row in rows
    ]


def _plan(provider: ProviderProfile, sheet: Sheet, stored: Sequence[Stored]) -> Plan:
    by_number = {row.sub_mch_id: row for row in stored if row.sub_mch_id is not None}
    by_name = {row.name: row for row in stored}
    numbers: dict[str, int] = {}
    names: dict[str, int] = {}
    planned = []
    for row in sheet.rows:
        draft = by_name.get(row.name)
        known = by_number.get(row.sub_mch_id) or (
            draft if draft is not None and draft.sub_mch_id is None else None
        )
        faults = [*row.faults, *_row_faults(provider, row)]
        faults += _twice(numbers, row.sub_mch_id, row.line, "sub_mch_id")
        faults += _twice(names, row.name, row.line, "name")
        faults += _against(row, known, by_name)
        planned.append(_planned(row, known, faults))
    return Plan(tuple(planned), sheet.digest)


def _row_faults(provider: ProviderProfile, row: Row) -> list[Fault]:
    faults = []
    if row.name:
        faults += rules.name_faults(row.name, "#/name") or rules.lookalike_faults(row.name, "#/name")
    if row.sub_mch_id:
        faults += rules.sub_mch_id_faults(
            row.sub_mch_id,
            provider_kind=provider.kind,
            provider_mch_id=provider.mch_id,
            pointer="#/sub_mch_id",
        )
    found = row.particulars.faults("#")
    columns = {f"#/contact/{part}": f"#/contact_{part}" for part in ("name", "phone", "email")}
    return faults + [replace(fault, pointer=columns.get(fault.pointer, fault.pointer)) for fault in found]


def _twice(seen: dict[str, int], value: str, line: int, column: str) -> list[Fault]:
    first = seen.setdefault(value, line)
    if not value or first == line:
        return []
    text = Text(
        f"与第 {first} 行重复，请删除其中一行。", f"is the same as in row {first}; remove one of them."
    )
    return [Fault(f"#/{column}", "twice", text)]


def _against(row: Row, known: Stored | None, by_name: Mapping[str, Stored]) -> list[Fault]:
    faults = []
    same_name = by_name.get(row.name)
    if same_name is not None and same_name is not known:
        faults.append(Fault("#/name", "taken", _NAME_TAKEN))
    if known is not None and known.status == TenantStatus.CLOSED:
        faults.append(Fault("#/sub_mch_id", "tenant_closed", _CLOSED))
    if known is not None and len(known.apps | {app.sub_appid for app in row.apps}) > MAX_BINDINGS:
        faults.append(Fault("#/apps", "no_free_slot", rules.NO_FREE_SLOT))
    return faults


def _planned(row: Row, known: Stored | None, faults: list[Fault]) -> PlannedRow:
    if faults:
        return PlannedRow(row, Outcome.ERROR, known.id if known else None, (), tuple(faults))
    apps = tuple(app.sub_appid for app in row.apps if known is None or app.sub_appid not in known.apps)
    if known is None:
        return PlannedRow(row, Outcome.NEW, None, (), (), apps, row.particulars)
    wanted = _merged(row, known.particulars)
    differences = list(_differences(row, known, wanted))
    if apps:
        differences.append(Difference("apps", "", " ".join(apps)))
    outcome = Outcome.CHANGED if differences else Outcome.UNCHANGED
    return PlannedRow(row, outcome, known.id, tuple(differences), (), apps, wanted)


def _merged(row: Row, stored: Particulars) -> Particulars:
    """Return what the tenant would be described by: empty cells leave things as they are."""
    given, contact = row.particulars, row.particulars.contact
    return Particulars(
        given.short_name or stored.short_name,
        Contact(
            contact.name or stored.contact.name,
            contact.phone or stored.contact.phone,
            contact.email or stored.contact.email,
        ),
        given.settlement_note or stored.settlement_note,
    )


def _differences(row: Row, known: Stored, wanted: Particulars) -> list[Difference]:
    before, after = known.particulars, wanted
    pairs: list[tuple[str, str, str]] = [
        ("name", known.name, row.name),
        ("sub_mch_id", known.sub_mch_id or "", row.sub_mch_id),
        ("short_name", before.short_name, after.short_name),
        ("settlement_note", before.settlement_note, after.settlement_note),
    ]
    found = [Difference(name, old, new) for name, old, new in pairs if old != new]
    for part in ("name", "phone", "email"):
        if getattr(before.contact, part) != getattr(after.contact, part):
            old, new = before.contact.hint.get(part, ""), after.contact.hint.get(part, "")
            found.append(Difference(f"contact_{part}", old, new))
    return found


async def _do(change: Change, planned: PlannedRow) -> None:
    """Do one line; faults name their line, since every line has the same columns."""
    row, known = planned.row, planned.particulars
    if planned.outcome is Outcome.UNCHANGED or known is None:
        return
    pointer = f"#/rows/{row.line}"
    try:
        if planned.tenant_id is None:
            made: Any = await tenants.create(change, NewTenant(row.name, row.sub_mch_id, known), "#")
            tenant_id = made.id
        else:
            tenant_id = planned.tenant_id
            await tenants.describe(change, tenant_id, row.name, known)
            await tenants.number(change, tenant_id, row.sub_mch_id)
        for app in row.apps:
            if app.sub_appid in planned.new_apps:
                await binding_changes.add(change, tenant_id, app, pointer="#/apps")
    except InvalidInput as refusal:
        raise InvalidInput(
            *(replace(fault, pointer=pointer + fault.pointer.removeprefix("#")) for fault in refusal.faults)
        ) from None


_NAME_TAKEN = Text(
    "已是另一个特约商户的名称，请换一个可区分的名称。", "is the name of another sub-merchant; choose another."
)
_CLOSED = Text(
    "该特约商户已关闭，不能再更新，请删除这一行。",
    "is a closed sub-merchant, which cannot change; remove the row.",
)
