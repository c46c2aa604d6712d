"""What the sign inspector may use for a text of API v3: one provider's keys, private ones not among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy import or_, select

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import NotFound
from spcore.providers.certificates import platform_key, split_bundle
from spcore.providers.keys import key_context
from spcore.providers.models import KeyKind, KeyState, Provider, ProviderKey
from spcore.vault import Vault, VaultError
from sptenants.registry.models import AppBinding, Tenant
from wechatpay.credentials import ApiV3Key, InvalidCredentials, V2Key
from wechatpay.inspect.v3.report import Account, OwnKey
from wechatpay.v3.platform_keys import PlatformKey

_MOST_KEYS = 60
_MOST_NUMBERS = 20
_PLATFORM = (KeyKind.WECHATPAY_PUBLIC_KEY, KeyKind.PLATFORM_CERTIFICATE)
_COUNTING = (KeyState.ACTIVE, KeyState.RETIRING)


async def account_of(
    database: Database, vault: Vault, scope: ProviderScope, tenant_id: str | None, text: str, now: datetime
) -> Account:
    """Return the provider's keys and numbers. Raises NotFound for a tenant that is not the provider's.

    Of its sub-merchants those that `text` names, and the one that is meant.
    """
    own = scope.provider_id
    tenants = select(Tenant.id, Tenant.sub_mch_id).where(Tenant.provider_id == own)
    tenants = tenants.where(or_(Tenant.id == tenant_id, Tenant.sub_mch_id.in_(_numbers(text))))
    apps = select(AppBinding.sub_appid).where(AppBinding.provider_id == own)
    async with database.read(scope) as session:
        provider = await session.scalar(select(Provider).where(Provider.id == own))
        rows = (await session.execute(tenants.limit(_MOST_NUMBERS))).all()
        if provider is None or (tenant_id is not None and tenant_id not in {row.id for row in rows}):
            raise NotFound
        if rows:
            apps = apps.where(AppBinding.tenant_id.in_([row.id for row in rows]))
        newest = apps.order_by(AppBinding.id.desc()).limit(_MOST_NUMBERS)
        sub_appids = tuple(await session.scalars(newest))
        stored = (
            select(ProviderKey)
            .where(ProviderKey.provider_id == own, ProviderKey.state != KeyState.CANDIDATE.value)
            .order_by(ProviderKey.version.desc())
            .limit(_MOST_KEYS)
        )
        keys = list(await session.scalars(stored))
    opening, old = _v3_keys(vault, keys, now)
    return Account(
        mch_id=provider.mch_id,
        appid=provider.appid,
        now=now,
        platform=tuple(_platform(vault, keys)),
        own=tuple(_own(vault, keys)),
        opening=opening,
        old=old,
        v2=tuple(_v2_keys(vault, keys)),
        sub_mch_ids=tuple(row.sub_mch_id for row in rows if row.sub_mch_id),
        sub_appids=sub_appids,
    )


def _numbers(text: str) -> list[str]:
    """Return what may be merchant numbers in the text: runs of 8 to 10 digits."""
    runs = (run for run in "".join(each if each.isdigit() else " " for each in text).split())
    return list(dict.fromkeys(run for run in runs if 8 <= len(run) <= 10))[:_MOST_NUMBERS]


def _of(keys: Iterable[ProviderKey], *kinds: KeyKind) -> list[ProviderKey]:
    return [key for key in keys if key.kind in {kind.value for kind in kinds}]


def _opened(vault: Vault, key: ProviderKey) -> bytes | None:
    try:
        return vault.open(key.sealed, key_context(key.provider_id, key.kind, key.version))
    except VaultError:
        return None  # one that does not open is no candidate


def _platform(vault: Vault, keys: Sequence[ProviderKey]) -> Iterator[PlatformKey]:
    for key in _of(keys, *_PLATFORM):
        pem = _opened(vault, key)
        if pem is None:
            continue
        try:
            yield platform_key(KeyKind(key.kind), key.label or "", pem, key.verify_until)
        except ValueError:
            continue


def _own(vault: Vault, keys: Sequence[ProviderKey]) -> Iterator[OwnKey]:
    for key in _of(keys, KeyKind.CLIENT_CERTIFICATE):
        bundle = _opened(vault, key)
        if bundle is None:
            continue
        try:
            public = x509.load_pem_x509_certificate(split_bundle(bundle)[0]).public_key()
        except ValueError:
            continue
        if isinstance(public, RSAPublicKey):
            yield OwnKey(key.label or "", public, active=key.state == KeyState.ACTIVE)


def _v3_keys(
    vault: Vault, keys: Sequence[ProviderKey], now: datetime
) -> tuple[tuple[ApiV3Key, ...], tuple[ApiV3Key, ...]]:
    """Return the keys that open messages now, the active one first, and those that did."""
    opening: list[ApiV3Key] = []
    old: list[ApiV3Key] = []
    for key in sorted(_of(keys, KeyKind.API_V3), key=lambda each: each.state != KeyState.ACTIVE):
        secret = _opened(vault, key)
        if secret is None:
            continue
        try:
            found = ApiV3Key(key.version, secret.decode("ascii"))
        except (UnicodeDecodeError, InvalidCredentials):
            continue
        counts = key.state in _COUNTING and (key.verify_until is None or now < key.verify_until)
        (opening if counts else old).append(found)
    return tuple(opening), tuple(old)


def _v2_keys(vault: Vault, keys: Sequence[ProviderKey]) -> Iterator[V2Key]:
    for key in _of(keys, KeyKind.API_V2):
        secret = _opened(vault, key)
        if secret is None:
            continue
        try:
            yield V2Key(key.version, secret.decode("ascii"))
        except (UnicodeDecodeError, InvalidCredentials):
            continue
