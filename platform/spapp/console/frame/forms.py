"""What every form that is sent to us has in common."""

from __future__ import annotations

import re
from typing import Any

from spapp.accounts.service import Visitor
from spapp.web.pages import AnyRequest
from sptenants.registry.access import RequestFacts
from wechatpay.money import Fen

# console-and-api-design section 7: amounts typed by people.
_YUAN = re.compile(r"(0|[1-9][0-9]{0,6})(\.[0-9]{1,2})?")


def field(form: Any, name: str) -> str:
    """Return a text field of a form; a file under its name, or a text with a NUL byte, counts as nothing."""
    value = form.get(name, "")
    # PostgreSQL cannot be asked about a NUL byte.
    return value if isinstance(value, str) and "\0" not in value else ""


def fen_of_yuan(typed: str) -> Fen | None:
    """Return the amount a person typed in yuan; None for what is not one."""
    return Fen.from_yuan(typed) if _YUAN.fullmatch(typed) else None


def visitor(request: AnyRequest) -> Visitor:
    facts = RequestFacts.of(request)
    return Visitor(facts.peer, request.headers.get("user-agent", ""), facts.request_id)
