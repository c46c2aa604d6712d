"""The fields of the wizard's steps as typed, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.console.frame.forms import field as text_of
from spcore.errors import DomainError, InvalidInput, Text
from sptenants.onboarding.records import Dossier, FormContent
from sptenants.onboarding.steps import Step
from sptenants.registry.binding_changes import NewBinding
from sptenants.registry.models import MAX_DIRECTORIES
from sptenants.registry.particulars import Contact, Particulars

DIRECTORY_FIELDS = tuple(f"directory_{place}" for place in range(1, MAX_DIRECTORIES + 1))

FIELDS: Mapping[Step, tuple[str, ...]] = {
    Step.PARTICULARS: (
        "name",
        "short_name",
        "contact_name",
        "contact_phone",
        "contact_email",
        "settlement_note",
    ),
    Step.NUMBER: ("sub_mch_id",),
    Step.BINDINGS: ("app_name", "sub_appid", "kind", "owner"),
    Step.DIRECTORIES: DIRECTORY_FIELDS,
    Step.NOTIFY: ("webhook_url",),
}
"""What is read of a form and kept as a draft, and nothing else (T03). Secrets are in no draft."""


@dataclass(frozen=True, slots=True)
class StepForm:
    """Values by field; `faults` by field, `form` for what is about none. `is_draft` when it is not saved."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    faults: Mapping[str, Text] = field(default_factory=dict)
    is_draft: bool = False

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def particulars(self) -> Particulars:
        contact = Contact(self.text("contact_name"), self.text("contact_phone"), self.text("contact_email"))
        return Particulars(self.text("short_name"), contact, self.text("settlement_note"))

    @property
    def directories(self) -> list[str]:
        return [url for name in DIRECTORY_FIELDS if (url := self.text(name))]

    def binding(self, app_secret: str) -> NewBinding:
        return NewBinding(
            sub_appid=self.text("sub_appid"),
            kind=self.text("kind"),
            owner=self.text("owner"),
            app_secret=app_secret or None,
            name=self.text("app_name") or None,
        )

    def refused(self, refusal: DomainError) -> StepForm:
        return StepForm(self.values, faults_of(refusal), self.is_draft)


def read(step: Step, form: Any) -> StepForm:
    """Read a step's own fields of a form that was sent."""
    return StepForm({name: text_of(form, name).strip() for name in FIELDS.get(step, ())})


def opened(step: Step, dossier: Dossier, content: FormContent) -> StepForm:
    """Return the form as it begins: the draft when there is one, else what is stored."""
    draft = content.drafts.get(step)
    if draft is not None:
        known = FIELDS.get(step, ())
        return StepForm({name: text for name, text in draft.items() if name in known}, is_draft=True)
    match step:
        case Step.PARTICULARS:
            stored, contact = content.particulars, content.particulars.contact
            values = {
                "name": dossier.detail.tenant.name,
                "short_name": stored.short_name,
                "contact_name": contact.name,
                "contact_phone": contact.phone,
                "contact_email": contact.email,
                "settlement_note": stored.settlement_note,
            }
        case Step.NUMBER:
            values = {"sub_mch_id": dossier.detail.tenant.sub_mch_id or ""}
        case Step.BINDINGS:
            values = {"kind": "miniprogram", "owner": "merchant"}
        case Step.DIRECTORIES:
            values = dict(zip(DIRECTORY_FIELDS, (row.url for row in dossier.directories), strict=False))
        case _:
            values = {}
    return StepForm(values)


def faults_of(refusal: DomainError) -> dict[str, Text]:
    """Return what was wrong by the name of the form's field; `form` is what is about none of them."""
    if not isinstance(refusal, InvalidInput):
        return {"form": refusal.text}
    found: dict[str, Text] = {}
    for fault in refusal.faults:
        parts = fault.pointer.removeprefix("#").strip("/").split("/")
        if parts[0] == "directories" and len(parts) == 2 and parts[1].isdigit():
            name = f"directory_{int(parts[1]) + 1}"
        else:
            name = "_".join(parts)
        found.setdefault(name or "form", fault.text)
    return found
