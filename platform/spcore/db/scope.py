"""Scopes: on whose behalf a transaction runs, and what it may therefore touch.

A session exists only inside a scope. On PostgreSQL the scope becomes transaction-local settings that the
row-level security policies read; on both databases `guard.py` refuses a statement that does not name its
owner. So a forgotten `WHERE tenant_id = …` fails loudly instead of reading a neighbour's rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TenantScope:
    """One tenant of one provider: reads and writes that tenant's rows, nothing else."""

    provider_id: str
    tenant_id: str

    def settings(self) -> dict[str, str]:
        return {"wxsp.provider_id": self.provider_id, "wxsp.tenant_id": self.tenant_id}


@dataclass(frozen=True, slots=True)
class ProviderScope:
    """One provider and all of its tenants: console lists, onboarding, keys."""

    provider_id: str

    def settings(self) -> dict[str, str]:
        return {"wxsp.provider_id": self.provider_id}


@dataclass(frozen=True, slots=True)
class PlatformScope:
    """Rows of every tenant, read only. People who use it leave an audit row (rule Y4)."""

    reason: str

    def settings(self) -> dict[str, str]:
        return {"wxsp.reach": "platform"}


@dataclass(frozen=True, slots=True)
class WorkerScope:
    """Background work: reads what is due of every tenant and writes only queue tables."""

    def settings(self) -> dict[str, str]:
        return {"wxsp.reach": "worker"}


@dataclass(frozen=True, slots=True)
class DoorScope:
    """Finding out who is calling: may read the tables that hold credentials, and nothing else.

    Also used for tables that no provider owns (people, heartbeats, the platform's own settings).
    """

    def settings(self) -> dict[str, str]:
        return {"wxsp.reach": "door"}


@dataclass(frozen=True, slots=True)
class ImportScope:
    """Loading an import file: rows of every provider that the file names, all in one transaction.

    Only the command line opens it. It reaches the tables marked `imported` and never orders or money.
    """

    def settings(self) -> dict[str, str]:
        return {"wxsp.reach": "import"}


Scope: TypeAlias = TenantScope | ProviderScope | PlatformScope | WorkerScope | DoorScope | ImportScope
