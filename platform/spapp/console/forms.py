"""What every form that is sent to us has in common."""

from __future__ import annotations

from typing import Any

from spapp.accounts.service import Visitor
from spapp.web.pages import AnyRequest
from sptenants.registry.access import RequestFacts


def field(form: Any, name: str) -> str:
    """Return a text field of a form; a file under its name counts as nothing."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def visitor(request: AnyRequest) -> Visitor:
    facts = RequestFacts.of(request)
    return Visitor(facts.peer, request.headers.get("user-agent", ""), facts.request_id)
