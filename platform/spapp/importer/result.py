"""What an import did, as the contract's JSON (section 4) and as lines for people.

Secrets appear only where they were newly made: they are kept as hashes or sealed, and cannot be shown again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KeyResult:
    id: str
    name: str
    secret: str | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name} | _secret(self.secret)


@dataclass(frozen=True, slots=True)
class WebhookResult:
    id: str
    url: str
    secret: str | None = field(default=None, repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "url": self.url} | _secret(self.secret)


@dataclass(frozen=True, slots=True)
class BindingResult:
    id: str
    sub_appid: str

    def to_json(self) -> dict[str, Any]:
        return {"id": self.id, "sub_appid": self.sub_appid}


@dataclass(frozen=True, slots=True)
class TenantResult:
    id: str
    name: str
    sub_mch_id: str | None
    status: str
    notify_urls: dict[str, dict[str, str]]
    bindings: tuple[BindingResult, ...]
    api_keys: tuple[KeyResult, ...]
    webhooks: tuple[WebhookResult, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "sub_mch_id": self.sub_mch_id,
            "status": self.status,
            "notify_urls": self.notify_urls,
            "bindings": [binding.to_json() for binding in self.bindings],
            "api_keys": [key.to_json() for key in self.api_keys],
            "webhooks": [webhook.to_json() for webhook in self.webhooks],
        }


@dataclass(frozen=True, slots=True)
class ProviderResult:
    id: str
    name: str
    mode: str
    mch_id: str
    tenants: tuple[TenantResult, ...]
    api_keys: tuple[KeyResult, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "mode": self.mode,
            "mch_id": self.mch_id,
            "tenants": [tenant.to_json() for tenant in self.tenants],
            "api_keys": [key.to_json() for key in self.api_keys],
        }


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Providers, tenants and the rest in the order of the file."""

    providers: tuple[ProviderResult, ...]

    def to_json(self) -> dict[str, Any]:
        return {"providers": [provider.to_json() for provider in self.providers]}

    def to_text(self) -> str:
        """Return one line an object, indented; newly made keys with the warning to keep them."""
        lines = []
        for provider in self.providers:
            lines.append(f"{provider.id}  {provider.name}  {provider.mode}  {provider.mch_id}")
            lines += [f"  {line}" for key in provider.api_keys for line in _key_lines("API key", key)]
            for tenant in provider.tenants:
                lines += [f"  {line}" for line in _tenant_lines(tenant)]
        return "\n".join(lines)


def _tenant_lines(tenant: TenantResult) -> list[str]:
    lines = [f"{tenant.id}  {tenant.name}  {tenant.sub_mch_id or '-'}  {tenant.status}"]
    lines += [f"  notify {version}  {urls['payment']}" for version, urls in tenant.notify_urls.items()]
    lines += [f"  {binding.id}  {binding.sub_appid}" for binding in tenant.bindings]
    lines += [f"  {line}" for key in tenant.api_keys for line in _key_lines("API key", key)]
    for hook in tenant.webhooks:
        lines += [f"  {line}" for line in _key_lines("webhook", KeyResult(hook.id, hook.url, hook.secret))]
    return lines


def _key_lines(what: str, key: KeyResult) -> list[str]:
    line = f"{key.id}  {what} {key.name}"
    if key.secret is None:
        return [line]
    return [line, f"  {key.secret}  ← 只显示这一次，请立即保存 shown only now, keep it"]


def _secret(secret: str | None) -> dict[str, str]:
    return {} if secret is None else {"secret": secret}
