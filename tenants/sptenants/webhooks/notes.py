"""Entries of the order's timeline about its webhooks; their words are in `orders/webhook_words.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sptenants.orders.timeline import Note
from sptenants.webhooks.repository import Claimed
from sptenants.webhooks.sender import Answer, Outcome


def attempted(claimed: Claimed, answer: Answer, next_at: datetime | None) -> Note:
    """One attempt at one endpoint, and when it is tried again, if it is."""
    delivered = answer.outcome is Outcome.DELIVERED
    facts: dict[str, Any] = {
        "number": claimed.delivery.attempts,
        "outcome": answer.outcome.value,
        "event_type": claimed.event.type,
        "host": urlsplit(claimed.endpoint.url).netloc,
        "http_status": answer.http_status,
        "elapsed_ms": answer.elapsed_ms,
        "endpoint_id": claimed.endpoint.id,
        "delivery_id": claimed.delivery.id,
        "next_at": next_at.isoformat() if next_at is not None else None,
    }
    given = {name: value for name, value in facts.items() if value is not None}
    return Note("webhook.attempt", "ok" if delivered else "bad", given)
