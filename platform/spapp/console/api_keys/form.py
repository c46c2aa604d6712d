"""The form that makes an API key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.console.frame.forms import field as text_of
from spcore.errors import Fault, InvalidInput, Text
from sptenants.registry.rights import OF_TENANT_KEYS, KeyLimits, read_networks

OWN = "provider"
"""Chosen instead of a tenant, for the service provider's own key."""


@dataclass(frozen=True, slots=True)
class KeyForm:
    """The fields as typed; `owner` is a tenant's id, or OWN; `faults` by field."""

    owner: str = ""
    name: str = ""
    rights: tuple[str, ...] = tuple(right.value for right in OF_TENANT_KEYS)
    networks: str = ""
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> KeyForm:
        return cls(
            owner=text_of(form, "owner"),
            name=text_of(form, "name").strip(),
            rights=tuple(value for value in form.getall("rights", []) if isinstance(value, str)),
            networks=text_of(form, "networks").strip(),
        )

    @property
    def tenant_id(self) -> str | None:
        return None if self.owner == OWN else self.owner

    def limits(self) -> KeyLimits:
        """Return what the key is limited to. Raises InvalidInput, also when nobody is named to own it."""
        networks, faults = read_networks(self.networks, "#/networks")
        if not self.owner:
            faults.append(Fault("#/owner", "missing", _NO_OWNER))
        if not self.rights:
            faults.append(Fault("#/rights", "empty", _NO_RIGHT))
        if faults:
            raise InvalidInput(*faults)
        return KeyLimits(self.rights, networks)


_NO_OWNER = Text("请选择密钥属于哪个特约商户。", "Choose whose key it is.")
_NO_RIGHT = Text("至少选择一项权限。", "Choose at least one right.")
