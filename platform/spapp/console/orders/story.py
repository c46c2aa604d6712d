"""The timeline of an order as templates show it, and the whole order as text for a ticket."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from spapp.console.frame.explained import Explained
from spapp.web.pages import SHANGHAI
from spcore.errors import Text
from sptenants.orders.timeline import Entry

_ICONS = {
    "order.created": "receipt",
    "gateway.call": "arrow-up-right",
    "pay_params.issued": "device-mobile",
    "notify.received": "bell",
    "operator.action": "user",
    "order.healed": "heart-rate-monitor",
    "refund": "receipt-refund",
    "webhook.attempt": "webhook",
}
_STATUS_ICONS = {"ok": "circle-check", "bad": "alert-triangle", "wait": "clock", "mute": "ban"}


@dataclass(frozen=True, slots=True)
class TimelineLine:
    """One entry. `resend` is the delivery to send again from here, `link` the page about the entry."""

    at: datetime
    group: str
    tone: str
    icon: str
    title: Text
    meta: Text
    raw: str
    explained: Explained | None = None
    link: str | None = None
    resend: str | None = None


def timeline_lines(
    entries: Sequence[Entry], *, webhooks: str | None, resendable: Collection[str]
) -> tuple[TimelineLine, ...]:
    """Return the entries, newest first.

    `webhooks` is the address of the webhook pages where there are any; of each delivery in `resendable` the
    newest attempt offers to send it again.
    """
    left = set(resendable)
    lines = []
    for entry in entries:
        delivery = entry.raw.get("delivery_id") if entry.kind == "webhook.attempt" else None
        endpoint = entry.raw.get("endpoint_id")
        about = "refund" if entry.group == "refund" else entry.kind
        lines.append(
            TimelineLine(
                at=entry.at,
                group=entry.group,
                tone=entry.outcome,
                icon=_ICONS.get(about) or _STATUS_ICONS.get(entry.outcome, "info-circle"),
                title=entry.title,
                meta=entry.meta,
                raw=json.dumps(entry.raw, ensure_ascii=False, indent=2, sort_keys=True),
                explained=_explained(entry),
                link=f"{webhooks}/{endpoint}/deliveries/{delivery}" if webhooks and delivery else None,
                resend=delivery if delivery in left else None,
            )
        )
        left.discard(str(delivery))
    return tuple(lines)


def _explained(entry: Entry) -> Explained | None:
    if entry.kind != "gateway.call" or "err_code" not in entry.raw or "error" not in entry.raw:
        return None
    raw = entry.raw
    return Explained.of(str(raw["operation"]), str(raw["err_code"]), str(raw.get("err_message") or ""))


def as_text(
    facts: Sequence[tuple[str, str]], heading: str, lines: Sequence[tuple[datetime, str, str]]
) -> str:
    """Return facts and timeline as plain text; a line is its moment, its title and its meta."""
    told = [f"{name}: {value}" for name, value in facts]
    told += ["", heading]
    for at, title, meta in lines:
        local = at.astimezone(SHANGHAI)
        told.append(f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}  {title}")
        if meta:
            told.append(f"{'':25}{meta}")
    return "\n".join(told) + "\n"
