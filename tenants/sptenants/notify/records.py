"""Rows of the journal as values: what lists and pages show of a notification."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from spcore.db.scope import TenantScope
from sptenants.notify.journal import MAX_REFUSED_BODY, Kept
from sptenants.notify.models import Notification

REPLAYABLE = frozenset((version, kind) for version in ("v2", "v3") for kind in ("payment", "refund"))
SETTLED_RESULTS = frozenset({"processed", "duplicate"})


@dataclass(frozen=True, slots=True)
class NotificationFilter:
    """Which to show. Times are aware and half-open `[received_from, received_to)`.

    `number` finds exactly, by our id, the order's id, or the out trade number or transaction ID it spoke of.
    """

    results: tuple[str, ...] = ()
    kind: str | None = None
    number: str | None = None
    provider_id: str | None = None
    tenant_id: str | None = None
    received_from: datetime | None = None
    received_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A line of the list, without what was received."""

    id: str
    provider_id: str
    tenant_id: str
    tenant_name: str
    sub_mch_id: str | None
    provider_name: str
    version: str
    kind: str
    received_at: datetime
    received: int
    last_received_at: datetime
    result: str
    reason: str | None
    key_version: int | None
    serial: str | None
    out_trade_no: str | None
    transaction_id: str | None
    order_id: str | None
    answered: str

    @property
    def scope(self) -> TenantScope:
        return TenantScope(self.provider_id, self.tenant_id)


@dataclass(frozen=True, slots=True)
class NotificationRecord:
    """One notification with what was received. The body holds a signature and stays on the server (C6 a)."""

    row: NotificationRow
    digest: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str]
    peer: str
    request_id: str
    replayed_at: datetime | None
    replayed_by: str | None
    replay_reason: str | None

    @classmethod
    def of(cls, stored: Notification, row: NotificationRow) -> NotificationRecord:
        return cls(
            row=row,
            digest=stored.digest,
            body=stored.body,
            headers=stored.headers,
            peer=stored.peer,
            request_id=stored.request_id,
            replayed_at=stored.replayed_at,
            replayed_by=stored.replayed_by,
            replay_reason=stored.replay_reason,
        )

    @property
    def scope(self) -> TenantScope:
        return self.row.scope

    @property
    def is_whole(self) -> bool:
        """Whether all of it was kept; of a long message that proved nothing only the beginning is."""
        if self.row.result != "rejected" and self.row.version == "v3":
            return True  # its digest is that of its name
        return len(self.body) != MAX_REFUSED_BODY or hashlib.sha256(self.body).hexdigest() == self.digest

    @property
    def kept(self) -> Kept:
        return Kept(self.row.id, self.row.version, self.body, self.headers, self.row.received_at)

    @property
    def is_replayable(self) -> bool:
        """Whether it can be judged again at all; whether it is genuine is found out then."""
        return (self.row.version, self.row.kind) in REPLAYABLE and self.is_whole

    @property
    def is_settled(self) -> bool:
        return self.row.result in SETTLED_RESULTS


def row_of(stored: Notification, tenant: str, sub_mch_id: str | None, provider: str) -> NotificationRow:
    """Return a line out of its row and the names that belong to it."""
    own: dict[str, Any] = {
        name: getattr(stored, name)
        for name in (
            "id",
            "provider_id",
            "tenant_id",
            "version",
            "kind",
            "received_at",
            "received",
            "last_received_at",
            "result",
            "reason",
            "key_version",
            "serial",
            "out_trade_no",
            "transaction_id",
            "order_id",
            "answered",
        )
    }
    return NotificationRow(tenant_name=tenant, sub_mch_id=sub_mch_id, provider_name=provider, **own)
