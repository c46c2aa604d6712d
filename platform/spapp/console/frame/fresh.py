"""Asking for a current code before a sensitive act, where the person has a second factor (S12)."""

from __future__ import annotations

from typing import Any

from spapp.accounts.errors import SecondFactorRefused
from spapp.console.frame.forms import field, visitor
from spapp.console.frame.workplace import Workplace


async def require_fresh(place: Workplace, form: Any, purpose: str = "sensitive_act") -> None:
    """Use up the code in the form's field `code`; without a second factor nothing is asked.

    `purpose` names the act in the audit log. Raises SecondFactorRefused, also for an empty field, which is
    not charged as a guess, and TooManyAttempts. The code is gone afterwards: check everything else first.
    """
    if not place.staff.has_second_factor:
        return
    code = field(form, "code").strip()
    if not code:
        raise SecondFactorRefused()
    await place.second_factors.prove(place.staff, code, visitor(place.request), purpose)
