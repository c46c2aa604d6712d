"""Checks of the keys of API v3 that need nothing but our own records (B-8, first depth)."""

from __future__ import annotations

from datetime import datetime

from spcore.providers.certificates import platform_key
from spcore.providers.keys import key_context
from spcore.providers.models import KeyKind
from spcore.vault import Vault, VaultError
from sptenants.doctor.subject import Subject, WechatKey
from sptenants.doctor.verdicts import Verdict
from wechatpay.credentials import ApiV3Key, InvalidCredentials

NEXT_COMES_DAYS = 10
"""WeChat issues the next platform certificate so long before the end of the present one (K03)."""


def check_v3_keys(subject: Subject, vault: Vault, now: datetime) -> list[Verdict]:
    """Check the API v3 key and WeChat's keys of a provider."""
    return [_api_v3_key(subject, vault), _wechat_keys(subject, vault), _platform_certificates(subject, now)]


def _api_v3_key(subject: Subject, vault: Vault) -> Verdict:
    stored = subject.v3_key
    if stored is None:
        return Verdict("sp.apiv3_key_length", "missing")
    context = key_context(subject.provider.id, KeyKind.API_V3.value, stored.version)
    try:
        ApiV3Key(stored.version, vault.open(stored.sealed, context).decode("ascii"))
    except (VaultError, UnicodeDecodeError, InvalidCredentials):
        return Verdict("sp.apiv3_key_length", "unreadable")
    return Verdict("sp.apiv3_key_length")


def _wechat_keys(subject: Subject, vault: Vault) -> Verdict:
    """Their ends are judged in a row of their own."""
    if not subject.wechat_keys:
        return Verdict("sp.wechat_public_key", "missing")
    for key in subject.wechat_keys:
        if not _opens(key, subject.provider.id, vault):
            return Verdict("sp.wechat_public_key", "unreadable", {"serial": key.serial})
    return Verdict("sp.wechat_public_key")


def _opens(key: WechatKey, provider_id: str, vault: Vault) -> bool:
    context = key_context(provider_id, key.kind.value, key.stored.version)
    try:
        platform_key(key.kind, key.serial, vault.open(key.stored.sealed, context), key.stored.not_after)
    except (VaultError, ValueError):
        return False
    return True


def _platform_certificates(subject: Subject, now: datetime) -> Verdict:
    ends = [key.stored.not_after for key in subject.wechat_keys if key.is_certificate]
    last = max((end for end in ends if end is not None), default=None)
    has_public_key = any(not key.is_certificate for key in subject.wechat_keys)
    if last is not None and last <= now:
        reason = "expired_beside_key" if has_public_key else "expired"
        return Verdict("sp.platform_cert", reason, {"date": f"{last:%Y-%m-%d}"})
    if subject.fetch is not None and subject.fetch.has_failed and (ends or not has_public_key):
        return Verdict("sp.platform_cert", "fetch_failed", {"why": subject.fetch.result})
    if last is not None and (days := (last - now).days) < NEXT_COMES_DAYS:
        return Verdict("sp.platform_cert", "soon", {"date": f"{last:%Y-%m-%d}", "days": days})
    return Verdict("sp.platform_cert")
