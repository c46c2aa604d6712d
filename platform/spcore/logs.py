"""One JSON object a line on stderr, without secrets (A02), and safe to show on a terminal (A05)."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.types import EventDict, Processor

from spcore.redaction import redact, redact_text

_QUIET = ("httpx", "httpcore", "sqlalchemy", "aiosqlite", "asyncpg", "asyncio", "alembic")
"""Libraries that tell of addresses, statements or parameters below WARNING."""

_FIRST = ("ts", "level", "event", "request_id", "provider_id", "tenant_id", "order_id")


def configure(level: str) -> None:
    """Send structlog's and the standard library's messages to stderr; `level` as in WXSP_LOG_LEVEL.

    Calling it again replaces the earlier configuration.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact,
            _in_order,
            # ASCII only: control characters and direction marks in people's data stay escaped.
            structlog.processors.JSONRenderer(ensure_ascii=True, default=_as_text),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # A log that cannot be written (disk full, D08) must not stop whoever writes it.
    logging.raiseExceptions = False
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    return {key: redact(value, key) for key, value in event.items()}


def _as_text(value: object) -> str:
    return redact_text(str(value))


def _in_order(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    first = {key: event[key] for key in _FIRST if key in event}
    return first | {key: value for key, value in event.items() if key not in first}
