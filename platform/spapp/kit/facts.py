"""What a kit is made of: public facts of one tenant, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

KIT_VERSION = "1.0.0"
API_VERSION = "v1"


@dataclass(frozen=True, slots=True)
class KitBinding:
    """An AppID of the tenant. `has_secret` says whether a mini-program can log in through the platform."""

    sub_appid: str
    kind: str
    owner: str
    status: str
    has_secret: bool

    @property
    def is_mini_program(self) -> bool:
        return self.kind == "miniprogram"

    @property
    def is_usable(self) -> bool:
        return self.status in {"unverified", "verified"}


@dataclass(frozen=True, slots=True)
class KitFacts:
    """One tenant as its kit shows it; `chosen` is the mini-program that `config.js` is written for.

    Without a mini-program `chosen` is None: the kit is then good for its server examples only.
    """

    tenant_id: str
    tenant_name: str
    sub_mch_id: str | None
    mode: str
    api_base: str
    """Address of the API, without a slash at its end."""
    bindings: tuple[KitBinding, ...]
    chosen: str | None
    price_codes: tuple[str, ...]
    """What is for sale on the price list; empty when the merchant's own server makes the orders."""

    @property
    def mini_programs(self) -> tuple[KitBinding, ...]:
        """Return the mini-programs that a kit can be made for."""
        return tuple(each for each in self.bindings if each.is_mini_program and each.is_usable)

    @property
    def domain(self) -> str:
        """Return what is entered at WeChat as a request domain: `https://host[:port]`."""
        parts = urlsplit(self.api_base)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def domain_fault(self) -> str | None:
        """Return why WeChat would refuse the domain: `not_https`, `address`; None when it would not."""
        parts = urlsplit(self.api_base)
        if parts.scheme != "https":
            return "not_https"
        try:
            ip_address(parts.hostname or "")
        except ValueError:
            return None
        return "address"

    @property
    def file_name(self) -> str:
        """Return the name to save it under, plain ASCII."""
        parts = ("wxsp-kit", self.sub_mch_id or self.tenant_id, self.chosen)
        return "-".join(part for part in parts if part) + ".zip"
