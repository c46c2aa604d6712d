"""The newest notifications of a provider, by which a key is tried before it takes over (acceptance B-13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, cast

from sqlalchemy import and_, func, or_, select

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.samples import Sample
from sptenants.notify.journal import MAX_REFUSED_BODY
from sptenants.notify.models import Notification
from sptenants.orders.models import Attempt
from wechatpay.credentials import SignType

MOST = 200
_KINDS = ("payment", "refund", "security")
_OF_A_KEY = ("bad_signature", "undecryptable", "unknown_serial")
"""Why a genuine message is refused for want of its key; a candidate may be that key."""


class StoredSamples:
    """Reads them out of the journal; nothing of them is shown to anybody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last(self, scope: ProviderScope, version: Literal["v2", "v3"], limit: int) -> Sequence[Sample]:
        """Return the newest first, at most `limit` and MOST; those of which all was kept."""
        its_attempt = and_(
            Attempt.provider_id == Notification.provider_id,
            Attempt.tenant_id == Notification.tenant_id,
            Attempt.out_trade_no == Notification.out_trade_no,
        )
        query = (
            select(
                Notification.id,
                Notification.kind,
                Notification.received_at,
                Notification.body,
                Notification.headers,
                Attempt.sign_type,
            )
            .outerjoin(Attempt, its_attempt)
            .where(
                Notification.provider_id == scope.provider_id,
                Notification.version == version,
                Notification.kind.in_(_KINDS),
                or_(Notification.result != "rejected", Notification.reason.in_(_OF_A_KEY)),
                # What is as long as this was cut off.
                func.length(Notification.body) != MAX_REFUSED_BODY,
            )
            .order_by(Notification.id.desc())
            .limit(min(limit, MOST))
        )
        async with self._database.read(scope) as session:
            rows = (await session.execute(query)).all()
        return [
            Sample(
                id=row.id,
                kind=cast('Literal["payment", "refund", "security"]', row.kind),
                received_at=row.received_at,
                body=row.body,
                headers=_signed(row.headers) if version == "v3" else {},
                sign_type=SignType(row.sign_type) if version == "v2" and row.sign_type else None,
            )
            for row in rows
        ]


def _signed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("wechatpay-")}
