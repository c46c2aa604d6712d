"""Checks that need nothing but our own records (B-8, first depth)."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from spcore import egress
from spcore.errors import InvalidInput
from spcore.providers.certificates import check_client_certificate, split_bundle
from spcore.providers.keys import key_context
from spcore.providers.models import KeyKind
from spcore.vault import Vault, VaultError
from sptenants.doctor.findings import SOON_DAYS
from sptenants.doctor.subject import Endpoint, Subject, TenantSubject
from sptenants.doctor.v3_keys import check_v3_keys
from sptenants.doctor.verdicts import Verdict
from sptenants.registry.bindings import BindingProfile
from sptenants.registry.ledger import BindingStatus
from sptenants.registry.notify_paths import notify_path
from sptenants.registry.rules import AppKind, appid_faults, owner_faults
from wechatpay.credentials import InvalidCredentials, V2Key

_EXPIRED = "expired"


def check_provider(subject: Subject, vault: Vault, public_url: str, now: datetime) -> list[Verdict]:
    """Check keys, certificate and address of a provider."""
    found = [
        _pair(subject, vault, now),
        _expiry(subject, now),
        url_verdict(subject.provider.mode, public_url),
    ]
    if subject.needs("v2"):
        found.append(_key(subject, vault))
    if subject.needs("v3"):
        found += check_v3_keys(subject, vault, now)
    return found


def check_tenant(tenant: TenantSubject) -> list[Verdict]:
    """Check bindings, directories, ticks and webhook endpoints of a sub-merchant."""
    kinds = {binding.kind for binding in tenant.bindings if binding.status != BindingStatus.DISABLED}
    found = [
        Verdict("binding.count", None if tenant.bindings else "none"),
        *(_format(binding) for binding in tenant.bindings),
        _webhook(tenant.endpoints),
    ]
    if AppKind.OFFICIAL_ACCOUNT in kinds:
        found.append(_directories(tenant))
    if AppKind.MINIPROGRAM in kinds:
        reason = None if tenant.request_domain_ticked else "unticked"
        found.append(Verdict("miniprogram.request_domain", reason))
    return found


def url_verdict(mode: str, public_url: str) -> Verdict:
    """Check where WeChat is to call. The simulator, unlike WeChat, calls this machine too."""
    if mode != "live":
        return Verdict("notify.url_public")
    url = public_url + notify_path("0", "v2", "payment")
    if not url.startswith("https://"):
        return Verdict("notify.url_public", "not_https")
    try:
        egress.target_of(url)
    except egress.RefusedUrl:
        return Verdict("notify.url_public", "not_public", {"host": urlsplit(url).netloc})
    return Verdict("notify.url_public")


def _key(subject: Subject, vault: Vault) -> Verdict:
    if subject.key is None:
        return Verdict("sp.key", "missing_beside_v3" if subject.speaks_v3 else "missing")
    context = key_context(subject.provider.id, KeyKind.API_V2.value, subject.key.version)
    try:
        V2Key(subject.key.version, vault.open(subject.key.sealed, context).decode("ascii"))
    except (VaultError, UnicodeDecodeError, InvalidCredentials):
        return Verdict("sp.key", "unreadable")
    return Verdict("sp.key")


def _pair(subject: Subject, vault: Vault, now: datetime) -> Verdict:
    stored, provider = subject.certificate, subject.provider
    if stored is None:
        return Verdict("sp.cert_pair", "missing_for_v3" if subject.speaks_v3 else "missing")
    context = key_context(provider.id, KeyKind.CLIENT_CERTIFICATE.value, stored.version)
    try:
        cert_pem, key_pem = split_bundle(vault.open(stored.sealed, context))
    except (VaultError, ValueError):
        return Verdict("sp.cert_pair", "unreadable")
    try:
        check_client_certificate(cert_pem, key_pem, mch_id=provider.mch_id, now=now)
    except InvalidInput as refused:
        # Its end has a row of its own.
        faults = [fault for fault in refused.faults if fault.code != _EXPIRED]
        if faults:
            return Verdict("sp.cert_pair", "mismatch", {"why": faults[0].text.zh})
    return Verdict("sp.cert_pair")


def _expiry(subject: Subject, now: datetime) -> Verdict:
    if subject.certificate is None or subject.certificate.not_after is None:
        return Verdict("sp.cert_expiry", "held_up")
    ends = subject.certificate.not_after
    days = (ends - now).days
    facts = {"date": f"{ends:%Y-%m-%d}", "days": days}
    if ends <= now:
        return Verdict("sp.cert_expiry", "expired_for_v3" if subject.speaks_v3 else "expired", facts)
    return Verdict("sp.cert_expiry", "soon" if days < SOON_DAYS else None, facts)


def _format(binding: BindingProfile) -> Verdict:
    reason = None
    if appid_faults(binding.sub_appid, "#"):
        reason = "format"
    elif owner_faults(binding.kind, binding.owner, "#"):
        reason = "owner"
    return Verdict("binding.appid_format", reason, part=binding.id)


def _directories(tenant: TenantSubject) -> Verdict:
    if not tenant.directories:
        return Verdict("directory.confirmed", "missing")
    confirmed = tenant.directories_confirmed == tenant.directories
    return Verdict("directory.confirmed", None if confirmed else "unconfirmed")


def _webhook(endpoints: tuple[Endpoint, ...]) -> Verdict:
    """The worst endpoint speaks for all of them."""
    if not endpoints:
        return Verdict("webhook.test", "none")
    for one in endpoints:
        if one.disabled:
            facts = {"host": urlsplit(one.url).netloc, "why": one.disabled_reason}
            return Verdict("webhook.test", "disabled", facts)
    for one in endpoints:
        if one.failing_since is not None:
            facts = {"host": urlsplit(one.url).netloc, "since": f"{one.failing_since:%Y-%m-%d %H:%M} UTC"}
            return Verdict("webhook.test", "failing", facts)
    return Verdict("webhook.test")
