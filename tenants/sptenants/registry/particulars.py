"""What is written down about a sub-merchant beside its number: short name, whom to ask, how it is settled.

Names, phone numbers and addresses of people are personal data: they are sealed, and everybody who only has to
recognise them sees them masked (console-and-api-design section 7).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from spcore.db.scope import TenantScope
from spcore.errors import Fault, Text
from spcore.vault import SealContext, Vault
from sptenants.registry import rules

MAX_SHORT_NAME = 20
MAX_NOTE = 200
MAX_PERSON = 32
MAX_EMAIL = 254
_PHONE = re.compile(r"\+?[0-9][0-9 -]{5,22}[0-9]")
_EMAIL = re.compile(r"[0-9A-Za-z.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[0-9A-Za-z-]{1,63}\.){1,8}[0-9A-Za-z-]{2,63}")


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask at a sub-merchant; what is not known is an empty text."""

    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)

    @property
    def is_empty(self) -> bool:
        return not (self.name or self.phone or self.email)

    def faults(self, pointer: str) -> list[Fault]:
        found = []
        if self.name and (len(self.name) > MAX_PERSON or rules.name_faults(self.name, pointer)):
            found.append(Fault(f"{pointer}/name", "invalid_name", _PERSON_RULE))
        if self.phone and _PHONE.fullmatch(self.phone) is None:
            found.append(Fault(f"{pointer}/phone", "invalid_format", _PHONE_RULE))
        if self.email and (len(self.email) > MAX_EMAIL or _EMAIL.fullmatch(self.email) is None):
            found.append(Fault(f"{pointer}/email", "invalid_format", _EMAIL_RULE))
        return found

    @property
    def hint(self) -> dict[str, str]:
        """The same, masked: `王**`, `138****1234`, `w***@example.com`; without what is not known."""
        masked = {
            "name": self.name[:1] + "**" if self.name else "",
            "phone": f"{self.phone[:3]}****{self.phone[-4:]}"
            if len(self.phone) >= 11
            else _short(self.phone),
            "email": _masked_email(self.email),
        }
        return {name: text for name, text in masked.items() if text}

    def seal(self, vault: Vault, scope: TenantScope, version: int) -> bytes:
        content = {"name": self.name, "phone": self.phone, "email": self.email}
        return vault.seal(json.dumps(content, ensure_ascii=False).encode(), _context(scope, version))


@dataclass(frozen=True, slots=True)
class Particulars:
    """Texts of the first step of onboarding; an empty one is unknown."""

    short_name: str = ""
    contact: Contact = field(default_factory=Contact)
    settlement_note: str = ""

    def faults(self, pointer: str) -> list[Fault]:
        found = self.contact.faults(f"{pointer}/contact")
        if self.short_name and (
            len(self.short_name) > MAX_SHORT_NAME or rules.name_faults(self.short_name, pointer)
        ):
            found.append(Fault(f"{pointer}/short_name", "invalid_name", _SHORT_NAME_RULE))
        note = self.settlement_note
        if len(note) > MAX_NOTE or not note.replace("\n", "").replace("\r", "").isprintable():
            found.append(Fault(f"{pointer}/settlement_note", "invalid_format", _NOTE_RULE))
        return found


NOTHING_KNOWN = Particulars()


def open_contact(vault: Vault, scope: TenantScope, sealed: bytes, version: int) -> Contact:
    """Return what was sealed. Raises VaultError."""
    content: dict[str, Any] = json.loads(vault.open(sealed, _context(scope, version)))
    return Contact(content["name"], content["phone"], content["email"])


def _context(scope: TenantScope, version: int) -> SealContext:
    return SealContext(scope.provider_id, scope.tenant_id, "contact", version)


def _short(phone: str) -> str:
    return f"****{phone[-2:]}" if phone else ""


def _masked_email(email: str) -> str:
    name, _, host = email.partition("@")
    return f"{name[:1]}***@{host}" if host else ""


_PERSON_RULE = Text(
    f"须为不超过 {MAX_PERSON} 个字的姓名，首尾不能有空格。",
    f"must be a name of at most {MAX_PERSON} characters without blanks around it.",
)
_PHONE_RULE = Text(
    "须为 7–24 位电话号码，只能含数字、空格、短横线和开头的 +。",
    "must be a phone number of 7 to 24 digits, blanks and hyphens, with + in front at most.",
)
_EMAIL_RULE = Text(
    "须为邮箱地址，例如 name@example.com。", "must be an e-mail address, such as name@example.com."
)
_SHORT_NAME_RULE = Text(
    f"须为不超过 {MAX_SHORT_NAME} 个字的简称，首尾不能有空格，不能含不可见字符。",
    f"must be at most {MAX_SHORT_NAME} characters without blanks around them and without invisible ones.",
)
_NOTE_RULE = Text(
    f"最多 {MAX_NOTE} 个字，不能含换行以外的控制字符。",
    f"must be at most {MAX_NOTE} characters without control characters other than line ends.",
)
