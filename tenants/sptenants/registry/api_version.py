"""Moving a provider between the versions of WeChat's API: new orders go the new way, old ones stay on theirs.

Every order keeps the version, the key and the identities it was made with, so that a move needs no pause
and takes nothing back (issue 5).
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import update

from spcore.audit.actor import Actor
from spcore.audit.writer import Act, record
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.models import Provider
from sptenants.registry.access import RequestFacts
from sptenants.registry.errors import StateConflict

MAX_REASON = 200


class ApiVersions:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def switch(
        self,
        scope: ProviderScope,
        version: Literal["v2", "v3"],
        reason: str,
        by: Actor,
        facts: RequestFacts,
    ) -> None:
        """Let new orders of a provider go by `version`; audited with the reason.

        Whether the provider is ready for it is the caller's to ask (`Doctor.try_version`). Raises
        InvalidInput (`#/reason`) and StateConflict when it calls by this version already.
        """
        stated = check_reason(reason)
        now, other = self._clock.now(), "v2" if version == "v3" else "v3"
        async with self._database.write(scope) as session:
            moved = await session.execute(
                update(Provider)
                .where(Provider.id == scope.provider_id, Provider.api_version == other)
                .values(api_version=version, updated_at=now)
                .returning(Provider.id)
                .execution_options(synchronize_session=False)
            )
            if moved.scalar_one_or_none() is None:
                raise StateConflict(_SAME)
            act = Act(
                actor=by,
                action="provider.api_version_changed",
                object_kind="provider",
                object_id=scope.provider_id,
                before={"api_version": other},
                after={"api_version": version},
                reason=stated,
                request_id=facts.request_id,
                peer=facts.peer,
            )
            await record(session, scope.provider_id, act, now)


def check_reason(reason: str) -> str:
    """Return a stated reason without blanks around it. Raises InvalidInput (`#/reason`)."""
    stated = reason.strip()
    if not stated or len(stated) > MAX_REASON:
        raise InvalidInput(Fault("#/reason", "missing", _NO_REASON))
    return stated


_SAME = Text(
    "已经是这个版本，可能刚被他人切换，请刷新。",
    "It is on this version already; somebody may have been faster.",
)
_NO_REASON = Text(
    f"请填写原因，最多 {MAX_REASON} 个字符；它会记入操作日志。",
    f"Give the reason in at most {MAX_REASON} characters; it is kept in the audit log.",
)
