"""What the address of the audit log asks for beside what every list understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.list_query import ListQuery, QueryReader
from spapp.console.frame.words import ACTION
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.reader import AuditFilter


@dataclass(frozen=True, slots=True)
class AuditQuery(ListQuery):
    """`provider` names a chain; the platform's own is `platform`."""

    action: str | None = None
    actor: str | None = None

    @classmethod
    def parse(cls, base: str, given: Mapping[str, str], now: datetime) -> AuditQuery:
        """Read query parameters. What cannot be read is left out and named in `faults`."""
        reader = QueryReader(given)
        action = reader.text("action")
        return cls(
            base=base,
            now=now,
            action=action if action in ACTION else None,
            actor=reader.text("actor"),
            **cls.common(reader),
            faults=tuple(reader.faults),
        )

    def to_filter(self) -> AuditFilter:
        begin, end = self.period
        return AuditFilter(
            chain=self.provider,
            action=self.action,
            actor=self.actor,
            number=self.q,
            tenant_id=self.tenant,
            at_from=begin,
            at_to=end,
        )

    @property
    def is_of_platform(self) -> bool:
        return self.provider == PLATFORM_CHAIN

    def _own(self) -> dict[str, str | None]:
        return {"action": self.action, "actor": self.actor}
