"""`POST /_sim/providers`: reading the import file's shape (contract 4) into what WeChat would know.

Fields that only concern the platform (members, prices, api_keys, webhooks, names of people, ...) are
ignored. A tenant that is named replaces its former bindings; a provider or tenant that is not named stays
as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from . import api_keys
from .certificates import Authority, ClientTrust, serial_of
from .ledger import Ledger
from .registry import find_provider
from .v3 import keys

MAX_BINDINGS: Final = 5

_MCH_ID: Final = re.compile(r"[0-9]{6,32}")
_APPID: Final = re.compile(r"wx[0-9A-Za-z]{16}")
_API_KEY: Final = re.compile(r"[0-9A-Za-z]{32}")
_SECRET: Final = re.compile(r"[!-~]{1,128}")
_KINDS: Final = ("ordinary", "bank", "merchant")
_BINDING_KINDS: Final = ("miniprogram", "official_account", "app")
_VERIFICATIONS: Final = ("public_key", "certificate", "both")
_STATUSES: Final = ("normal", "restricted", "unauthorized")


class BadDocument(ValueError):
    """The document cannot be registered; `faults` names every wrong field by JSON pointer."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class _Binding:
    sub_appid: str
    kind: str
    app_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Tenant:
    sub_mch_id: str | None
    name: str
    wechat_status: str
    bindings: tuple[_Binding, ...]


@dataclass(frozen=True, slots=True)
class _Provider:
    mch_id: str
    appid: str
    kind: str
    verification: str
    api_v2_key: str | None = field(repr=False)
    api_v3_key: str | None = field(repr=False)
    app_secret: str | None = field(repr=False)
    client_cert_pem: str | None
    tenants: tuple[_Tenant, ...]


class _Reader:
    """Reads values out of the document and collects every fault with its JSON pointer."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def text(self, source: dict[str, object], name: str, at: str, pattern: re.Pattern[str]) -> str:
        value = source.get(name)
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        self.faults.append(f"{at}/{name}: must match {pattern.pattern}")
        return ""

    def optional(self, source: dict[str, object], name: str, at: str, pattern: re.Pattern[str]) -> str | None:
        return None if source.get(name) is None else self.text(source, name, at, pattern)

    def choice(self, source: dict[str, object], name: str, at: str, allowed: tuple[str, ...]) -> str:
        value = source.get(name, allowed[0])
        if isinstance(value, str) and value in allowed:
            return value
        self.faults.append(f"{at}/{name}: must be one of {', '.join(allowed)}")
        return allowed[0]

    def objects(self, source: dict[str, object], name: str, at: str) -> list[tuple[str, dict[str, object]]]:
        values = source.get(name, [])
        if isinstance(values, list) and all(isinstance(value, dict) for value in values):
            return [(f"{at}/{name}/{index}", value) for index, value in enumerate(values)]
        self.faults.append(f"{at}/{name}: must be a list of objects")
        return []

    def certificate(self, source: dict[str, object], name: str, at: str) -> str | None:
        pem = source.get(name)
        if pem is None:
            return None
        try:
            x509.load_pem_x509_certificate(str(pem).encode())
        except ValueError:
            self.faults.append(f"{at}/{name}: not a certificate in PEM")
        return str(pem)

    def tenant(self, source: dict[str, object], at: str, *, under: str, kind: str) -> _Tenant:
        sub_mch_id = None
        if kind != "merchant":
            sub_mch_id = self.text(source, "sub_mch_id", at, _MCH_ID)
            if sub_mch_id == under:
                self.faults.append(f"{at}/sub_mch_id: must differ from the provider's mch_id")
        elif source.get("sub_mch_id") is not None:
            self.faults.append(f"{at}/sub_mch_id: a plain merchant has none")
        bindings = tuple(
            _Binding(
                self.text(item, "sub_appid", where, _APPID),
                self.choice(item, "kind", where, _BINDING_KINDS),
                self.optional(item, "app_secret", where, _SECRET),
            )
            for where, item in self.objects(source, "bindings", at)
        )
        if len({binding.sub_appid for binding in bindings}) > MAX_BINDINGS:
            self.faults.append(f"{at}/bindings: at most {MAX_BINDINGS} sub_appids")
        name = source.get("name")
        status = self.choice(source, "wechat_status", at, _STATUSES)
        return _Tenant(sub_mch_id, name if isinstance(name, str) else sub_mch_id or under, status, bindings)

    def provider(self, source: dict[str, object], at: str) -> _Provider:
        mch_id = self.text(source, "mch_id", at, _MCH_ID)
        kind = self.choice(source, "kind", at, _KINDS)
        return _Provider(
            mch_id=mch_id,
            appid=self.text(source, "appid", at, _APPID),
            kind=kind,
            verification=self.choice(source, "verification", at, _VERIFICATIONS),
            api_v2_key=self.optional(source, "api_v2_key", at, _API_KEY),
            api_v3_key=self.optional(source, "api_v3_key", at, _API_KEY),
            app_secret=self.optional(source, "app_secret", at, _SECRET),
            client_cert_pem=self.certificate(source, "client_cert_pem", at),
            tenants=tuple(
                self.tenant(item, where, under=mch_id, kind=kind)
                for where, item in self.objects(source, "tenants", at)
            ),
        )


def register(
    ledger: Ledger, authority: Authority, trust: ClientTrust, document: dict[str, object], now_ms: int
) -> dict[str, object]:
    """Store everything in `document`, all or nothing, and answer what WeChat would hand out.

    Idempotent: WeChat's keys and certificates are made once per merchant number. Another API key or client
    certificate than before is a change at WeChat: of the certificates the earlier ones stay valid until they
    are revoked, unless none is named at all. Raises BadDocument.
    """
    reader = _Reader()
    providers = [reader.provider(item, at) for at, item in reader.objects(document, "providers", "")]
    if "providers" not in document:
        reader.faults.append("/providers: missing")
    if reader.faults:
        raise BadDocument(reader.faults)
    with ledger.transaction():
        issued = [_store(ledger, authority, provider, now_ms) for provider in providers]
    for provider in providers:
        if provider.client_cert_pem is not None:
            trust.add(provider.client_cert_pem)
    return {"providers": issued, "ca_pem": authority.ca_pem}


def trust_registered(ledger: Ledger, trust: ClientTrust) -> None:
    """Accept the client certificates that the ledger knows from an earlier run."""
    for row in ledger.rows("SELECT pem FROM api_certificate WHERE revoked = 0"):
        trust.add(row["pem"])


def _store(ledger: Ledger, authority: Authority, provider: _Provider, now_ms: int) -> dict[str, object]:
    known = find_provider(ledger, provider.mch_id)
    ledger.run(
        "INSERT INTO provider (mch_id, appid, kind, verification, api_v2_key, api_v3_key)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (mch_id) DO UPDATE SET appid = excluded.appid,"
        " kind = excluded.kind, verification = excluded.verification, api_v2_key = excluded.api_v2_key,"
        " api_v3_key = excluded.api_v3_key",
        provider.mch_id,
        provider.appid,
        provider.kind,
        provider.verification,
        provider.api_v2_key,
        provider.api_v3_key,
    )
    if known is not None:
        for api, former, new in (
            (api_keys.V2, known.api_v2_key, provider.api_v2_key),
            (api_keys.V3, known.api_v3_key, provider.api_v3_key),
        ):
            api_keys.replace(ledger, provider.mch_id, api, former, new, now_ms)
    _issue(ledger, authority, provider.mch_id)
    _keep_certificate(ledger, provider.mch_id, provider.client_cert_pem)
    _link(ledger, provider.mch_id, provider.appid, provider.app_secret)
    for tenant in provider.tenants:
        if tenant.sub_mch_id is None:
            for binding in tenant.bindings:
                _link(ledger, provider.mch_id, binding.sub_appid, binding.app_secret)
        else:
            _store_sub_merchant(ledger, provider.mch_id, tenant.sub_mch_id, tenant)
    return _issued(ledger, provider.mch_id)


def _issue(ledger: Ledger, authority: Authority, mch_id: str) -> None:
    """Make WeChat's first keys for a provider that is new."""
    if ledger.row("SELECT 1 FROM wechat_key WHERE mch_id = ?", mch_id) is None:
        keys.issue_public_key(ledger, mch_id)
        keys.issue_certificate(ledger, authority, mch_id)


def _keep_certificate(ledger: Ledger, mch_id: str, pem: str | None) -> None:
    """Make a client certificate valid beside the earlier ones; none means that there is none any more."""
    if pem is None:
        ledger.run("UPDATE api_certificate SET revoked = 1 WHERE mch_id = ?", mch_id)
        return
    ledger.run(
        "INSERT INTO api_certificate (mch_id, serial, pem) VALUES (?, ?, ?)"
        " ON CONFLICT (mch_id, serial) DO UPDATE SET pem = excluded.pem, revoked = 0",
        mch_id,
        serial_of(pem),
        pem,
    )


def _link(ledger: Ledger, mch_id: str, appid: str, secret: str | None) -> None:
    ledger.run("INSERT OR IGNORE INTO linked_appid (mch_id, appid) VALUES (?, ?)", mch_id, appid)
    _keep_secret(ledger, appid, secret)


def _keep_secret(ledger: Ledger, appid: str, secret: str | None) -> None:
    if secret is not None:
        ledger.run(
            "INSERT INTO app_secret (appid, secret) VALUES (?, ?)"
            " ON CONFLICT (appid) DO UPDATE SET secret = excluded.secret",
            appid,
            secret,
        )


def _store_sub_merchant(ledger: Ledger, mch_id: str, sub_mch_id: str, tenant: _Tenant) -> None:
    ledger.run(
        "INSERT INTO sub_merchant (mch_id, sub_mch_id, name, wechat_status) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (mch_id, sub_mch_id) DO UPDATE"
        " SET name = excluded.name, wechat_status = excluded.wechat_status",
        mch_id,
        sub_mch_id,
        tenant.name,
        tenant.wechat_status,
    )
    ledger.run("DELETE FROM binding WHERE mch_id = ? AND sub_mch_id = ?", mch_id, sub_mch_id)
    for binding in tenant.bindings:
        ledger.run(
            "INSERT OR REPLACE INTO binding (mch_id, sub_mch_id, sub_appid, kind) VALUES (?, ?, ?, ?)",
            mch_id,
            sub_mch_id,
            binding.sub_appid,
            binding.kind,
        )
        _keep_secret(ledger, binding.sub_appid, binding.app_secret)


def _issued(ledger: Ledger, mch_id: str) -> dict[str, object]:
    return {
        "mch_id": mch_id,
        "wechatpay_public_keys": [
            {"id": key.serial, "pem": key.public_pem} for key in keys.every(ledger, mch_id, keys.PUBLIC_KEY)
        ],
        "platform_certificates": [
            {"serial": key.serial, "pem": key.public_pem}
            for key in keys.every(ledger, mch_id, keys.CERTIFICATE)
        ],
    }
