"""The invitation form: who, to which role, at which place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.accounts.invitations import Wanted
from spapp.accounts.models import Role
from spapp.console.frame.forms import field as text_of
from spcore.errors import DomainError, InvalidInput, Text

_FIELDS = {"#/email": "email", "#/place": "place", "#/role": "role"}
_NO_ROLE = Text("请选择一个角色。", "Choose a role.")


@dataclass(frozen=True, slots=True)
class InviteForm:
    """The fields as typed; `place` is the id of a tenant or a provider. `faults` by field."""

    email: str = ""
    role: str = ""
    place: str = ""
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> InviteForm:
        email, role, place = (text_of(form, name).strip() for name in ("email", "role", "place"))
        return cls(email, role, place)

    def missing(self) -> Mapping[str, Text]:
        """Return what is to be said before anything is tried."""
        return {} if self.role in set(Role) else {"role": _NO_ROLE}

    def wanted(self) -> Wanted:
        if self.role == Role.MERCHANT_USER:
            return Wanted(self.email, self.role, tenant_id=self.place or None)
        return Wanted(self.email, self.role, provider_id=self.place or None)


def faults_of(refusal: DomainError) -> dict[str, Text]:
    """Return a refusal at the field it is about, or at the form as a whole."""
    if isinstance(refusal, InvalidInput):
        return {_FIELDS.get(fault.pointer, "form"): fault.text for fault in refusal.faults}
    return {"form": refusal.text}
