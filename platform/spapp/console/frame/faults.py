"""A refusal shown beside the fields it is about."""

from __future__ import annotations

from collections.abc import Mapping

from spapp.accounts.errors import SecondFactorRefused, TooManyAttempts
from spcore.errors import DomainError, InvalidInput, Text


def faults_by_field(refusal: DomainError, names: Mapping[str, str] | None = None) -> dict[str, Text]:
    """Return what was wrong, by the name of the form's field; `form` is what is about none of them.

    A field is the first part of a fault's pointer; `names` translates those that the form calls otherwise.
    """
    if isinstance(refusal, SecondFactorRefused | TooManyAttempts):
        return {"code": refusal.text}
    if not isinstance(refusal, InvalidInput):
        return {"form": refusal.text}
    found: dict[str, Text] = {}
    for fault in refusal.faults:
        name = fault.pointer.removeprefix("#").strip("/").split("/")[0]
        found.setdefault((names or {}).get(name, name) or "form", fault.text)
    return found
