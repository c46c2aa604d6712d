"""One notification as a text for support: what is on its page, masked like it, in both languages."""

from __future__ import annotations

from collections.abc import Iterator

from spapp.console.notifies.views import NotifyView
from spapp.web.pages import SHANGHAI

_WIDTH = 24


def as_text(view: NotifyView) -> str:
    """Return the lines; nothing in them can be used to sign or to find a person."""
    return "\r\n".join((*_facts(view), "", *_content(view), ""))


def _facts(view: NotifyView) -> Iterator[str]:
    row, record = view.row, view.record
    meaning, reason = view.line.meaning, view.line.reason
    given = (
        ("notification", row.id),
        ("kind", f"{row.version} {row.kind}"),
        ("received", row.received_at.astimezone(SHANGHAI).isoformat(timespec="milliseconds")),
        ("times", str(row.received)),
        ("last received", row.last_received_at.astimezone(SHANGHAI).isoformat(timespec="milliseconds")),
        ("peer", record.peer),
        ("request", record.request_id),
        ("result", f"{row.result} {meaning.zh} {meaning.en}"),
        ("reason", f"{row.reason} {reason.zh} {reason.en}" if reason else "-"),
        ("key version", str(row.key_version or "-")),
        ("serial", view.line.serial or "-"),
        ("answered", row.answered),
        ("order", row.order_id or "-"),
        ("out_trade_no", row.out_trade_no or "-"),
        ("transaction_id", row.transaction_id or "-"),
        ("body sha256 (first 8)", record.digest[:8]),
        ("body bytes", str(len(record.body))),
    )
    yield from (f"{name.ljust(_WIDTH)}{value}" for name, value in given)
    if record.replayed_at is not None:
        at = record.replayed_at.astimezone(SHANGHAI).isoformat(timespec="seconds")
        yield f"{'replayed'.ljust(_WIDTH)}{at} {record.replayed_by} {record.replay_reason}"


def _content(view: NotifyView) -> Iterator[str]:
    yield "[headers]"
    yield from (f"{name.ljust(_WIDTH)}{value}" for name, value in view.headers)
    yield "[body]"
    if view.fields:
        yield from (f"{name.ljust(_WIDTH)}{value}" for name, value in view.fields)
    else:
        yield view.text
