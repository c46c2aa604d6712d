"""What a receiver gets: the document, its bytes and its signatures (Standard Webhooks 1.0.0)."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standardwebhooks import Webhook

from spcore.outbox.models import OutboxMessage
from sptenants.orders.schemas import moment

MAX_BODY_BYTES = 20_000
"""Bodies stay below 20 kB (failure catalogue 2.5)."""
_SPARE = ("metadata", "attach", "description")
"""What is the merchant's own and may be left out of a body that would be too long."""


def body_of(event: OutboxMessage) -> bytes:
    """Return the document of an event; every attempt sends the same bytes.

    A too long one goes without the merchant's own free texts and says so in `data.abridged`; the API has the
    event whole.
    """
    document = {
        "id": event.id,
        "type": event.type,
        "created_at": moment(event.created_at),
        "timestamp": moment(event.created_at),
        "sequence": event.sequence,
        "data": event.payload,
    }
    body = _encoded(document)
    if len(body) >= MAX_BODY_BYTES:
        rest = {name: value for name, value in event.payload.items() if name not in _SPARE}
        body = _encoded(document | {"data": rest | {"abridged": True}})
    return body


def headers_of(event_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the three headers of Standard Webhooks; two secrets give two signatures (W11)."""
    text = body.decode()
    signatures = [Webhook(secret).sign(event_id, now, text) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(math.floor(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
