"""What every form that is sent to us has in common."""

from __future__ import annotations

from typing import Any

from spapp.accounts.service import Visitor
from spapp.web.pages import AnyRequest
from sptenants.registry.access import RequestFacts


def field(form: Any, name: str) -> str:
    """Return a text field of a form; a file under its name, or a text with a NUL byte, counts as nothing."""
    value = form.get(name, "")
    # PostgreSQL cannot be asked about a NUL byte.
    return value if isinstance(value, str) and "\0" not in value else ""


def visitor(request: AnyRequest) -> Visitor:
    facts = RequestFacts.of(request)
    return Visitor(facts.peer, request.headers.get("user-agent", ""), facts.request_id)
