"""Exports as pages read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from spapp.exports.kinds import ExportScope
from spapp.exports.models import OPEN_STATES, ExportRow, ExportState
from spapp.web.i18n import Language
from spcore.audit.actor import Actor
from spcore.audit.models import PLATFORM_CHAIN
from spcore.db.scope import PlatformScope, ProviderScope, TenantScope

_PLATFORM = PlatformScope("an export of the platform's people")


@dataclass(frozen=True, slots=True)
class ExportRecord:
    """One file that a person asked for. `size` is in bytes."""

    id: str
    provider_id: str | None
    tenant_id: str | None
    person_id: str
    person_name: str
    kind: str
    query: str
    language: Language
    reason: str | None
    facts: dict[str, Any]
    state: ExportState
    rows: int
    size: int
    tries: int
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime

    @classmethod
    def of(cls, row: ExportRow) -> ExportRecord:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            person_id=row.person_id,
            person_name=row.person_name,
            kind=row.kind,
            query=row.query,
            language="en" if row.language == "en" else "zh-CN",
            reason=row.reason,
            facts=row.facts,
            state=ExportState(row.state),
            rows=row.rows,
            size=row.size,
            tries=row.tries,
            created_at=row.created_at,
            finished_at=row.finished_at,
            expires_at=row.expires_at,
        )

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def scope(self) -> ExportScope:
        """Whose rows are in it: exactly those that the person could see when asking."""
        if self.provider_id is None:
            return _PLATFORM
        if self.tenant_id is None:
            return ProviderScope(self.provider_id)
        return TenantScope(self.provider_id, self.tenant_id)

    @property
    def chain(self) -> str:
        """The audit chain that tells of it."""
        return self.provider_id or PLATFORM_CHAIN

    @property
    def actor(self) -> Actor:
        return Actor("person", self.person_id, self.person_name)

    @property
    def file_name(self) -> str:
        return f"{self.kind}-{self.created_at:%Y%m%dT%H%M%SZ}.csv"
