"""What has to be done on WeChat's side, where we cannot look: directories and people's word for the rest.

Made inside a `Change`. Source of the directory rules: WeChat's payment directory help (http or https, ends
with a slash, a name rather than an address, letters in their case, at most five).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from spcore import egress
from spcore.db.base import table_of
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, Text
from sptenants.registry.changes import Change
from sptenants.registry.models import MAX_DIRECTORIES, PaymentDirectory, WechatTick

SIGNED = "signed"
REQUEST_DOMAIN = "request_domain"
MAX_DIRECTORY = 256

_CONFIRMED = PaymentDirectory.confirmed_at.is_not(None)


def binding_tick(binding_id: str) -> str:
    """Return the code of somebody's word that an appid was bound on WeChat's side."""
    return f"binding:{binding_id}"


@dataclass(frozen=True, slots=True)
class Directory:
    slot: int
    url: str
    confirmed_at: datetime | None
    confirmed_by: str | None


@dataclass(frozen=True, slots=True)
class Tick:
    """Whose word it is, and since when; `by_link` for the merchant's own staff."""

    at: datetime
    by: str
    by_link: bool


def directory_faults(url: str, pointer: str) -> list[Fault]:
    """A prefix as WeChat takes it: exact in its letters, so nothing is put right here."""
    try:
        parts = urlsplit(url)
        host, odd = parts.hostname or "", bool(parts.query or parts.fragment or parts.username or parts.port)
    except ValueError:
        return [Fault(pointer, "invalid_url", _DIRECTORY_RULE)]
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_DIRECTORY:
        return [Fault(pointer, "invalid_url", _DIRECTORY_RULE)]
    if parts.scheme not in {"http", "https"} or odd or "?" in url or "#" in url or not url.endswith("/"):
        return [Fault(pointer, "invalid_url", _DIRECTORY_RULE)]
    try:
        ip_address(host)
    except ValueError:
        return [] if _is_public_name(host) else [Fault(pointer, "invalid_host", _DIRECTORY_HOST)]
    return [Fault(pointer, "invalid_host", _DIRECTORY_HOST)]


def _is_public_name(host: str) -> bool:
    try:
        egress.target_of(f"https://{host}/")
    except egress.RefusedUrl:
        return False
    return True


async def directories(session: AsyncSession, scope: TenantScope) -> tuple[Directory, ...]:
    """Return the tenant's payment directories by slot."""
    query = (
        select(PaymentDirectory)
        .where(
            PaymentDirectory.provider_id == scope.provider_id, PaymentDirectory.tenant_id == scope.tenant_id
        )
        .order_by(PaymentDirectory.slot)
    )
    rows = await session.scalars(query)
    return tuple(Directory(row.slot, row.url, row.confirmed_at, row.confirmed_by) for row in rows)


async def ticks(session: AsyncSession, scope: TenantScope) -> Mapping[str, Tick]:
    """Return people's words by code."""
    query = select(WechatTick).where(
        WechatTick.provider_id == scope.provider_id, WechatTick.tenant_id == scope.tenant_id
    )
    rows = await session.scalars(query)
    return {row.code: Tick(row.ticked_at, row.ticked_by, row.by_link) for row in rows}


async def set_directories(
    change: Change, tenant_id: str, wanted: Sequence[str], *, confirmed: bool, pointer: str = "#/directories"
) -> bool:
    """Keep exactly these prefixes, and somebody's word whether WeChat has them all. Says if anything changed.

    What was confirmed before stays confirmed since then. Raises NotFound, InvalidInput. The change is locked.
    """
    await change.tenant(tenant_id)
    faults = [
        fault
        for place, url in enumerate(wanted)
        for fault in (
            [Fault(f"{pointer}/{place}", "taken", _TWICE)]
            if url in wanted[:place]
            else directory_faults(url, f"{pointer}/{place}")
        )
    ]
    if len(wanted) > MAX_DIRECTORIES:
        faults.append(Fault(pointer, "too_many", _TOO_MANY))
    if faults:
        raise InvalidInput(*faults)
    scope = TenantScope(change.provider.id, tenant_id)
    known = {row.url: row for row in await directories(change.session, scope)}
    before = [(row.url, row.confirmed_at is not None) for row in known.values()]
    after = [(url, confirmed) for url in wanted]
    if before == after:
        return False
    await change.session.execute(
        delete(PaymentDirectory).where(
            PaymentDirectory.provider_id == scope.provider_id, PaymentDirectory.tenant_id == scope.tenant_id
        )
    )
    for slot, url in enumerate(wanted, start=1):
        old = known.get(url)
        kept = old if confirmed and old is not None and old.confirmed_at is not None else None
        row = PaymentDirectory(
            provider_id=scope.provider_id,
            tenant_id=scope.tenant_id,
            slot=slot,
            url=url,
            created_at=change.now,
            confirmed_at=(kept.confirmed_at if kept else change.now) if confirmed else None,
            confirmed_by=(kept.confirmed_by if kept else change.actor.name) if confirmed else None,
        )
        change.session.add(row)
    await change.session.flush()
    await change.audit(
        "tenant.directories_set",
        "tenant",
        tenant_id,
        tenant_id=tenant_id,
        before={"directories": [url for url, _ in before]},
        after={"directories": list(wanted), "confirmed": confirmed},
    )
    return True


async def confirm_directories(change: Change, tenant_id: str, *, confirmed: bool) -> bool:
    """Take somebody's word for the directories as they stand, or take it back. Says if anything changed."""
    scope = TenantScope(change.provider.id, tenant_id)
    known = await directories(change.session, scope)
    if not [row for row in known if (row.confirmed_at is not None) != confirmed]:
        return False
    values = {"confirmed_at": change.now, "confirmed_by": change.actor.name}
    await change.session.execute(
        update(PaymentDirectory)
        .where(
            PaymentDirectory.provider_id == scope.provider_id,
            PaymentDirectory.tenant_id == scope.tenant_id,
            PaymentDirectory.confirmed_at.is_(None)
            if confirmed
            else PaymentDirectory.confirmed_at.is_not(None),
        )
        .values(**values if confirmed else dict.fromkeys(values))
    )
    await change.audit(
        "tenant.wechat_side_ticked",
        "tenant",
        tenant_id,
        tenant_id=tenant_id,
        after={"item": "directories", "done": confirmed},
    )
    return True


async def tick(change: Change, tenant_id: str, code: str, *, done: bool, by_link: bool = False) -> bool:
    """Take somebody's word that a thing was done on WeChat's side, or take it back. Says if it changed.

    `code` is SIGNED, REQUEST_DOMAIN or a `binding_tick`. Raises NotFound. The change is locked, or its
    session is the tenant's own.
    """
    if done:
        dialect = postgresql if change.session.get_bind().dialect.name == "postgresql" else sqlite
        row = {
            "provider_id": change.provider.id,
            "tenant_id": tenant_id,
            "code": code,
            "ticked_at": change.now,
            "ticked_by": change.actor.name,
            "by_link": by_link,
        }
        statement = dialect.insert(table_of(WechatTick)).on_conflict_do_nothing().returning(WechatTick.code)
        changed = (await change.session.execute(statement, row)).scalar_one_or_none() is not None
    else:
        gone = (
            delete(WechatTick)
            .where(
                WechatTick.provider_id == change.provider.id,
                WechatTick.tenant_id == tenant_id,
                WechatTick.code == code,
            )
            .returning(WechatTick.code)
        )
        changed = (await change.session.execute(gone)).scalar_one_or_none() is not None
    if changed:
        await change.audit(
            "tenant.wechat_side_ticked",
            "tenant",
            tenant_id,
            tenant_id=tenant_id,
            after={"item": code, "done": done},
        )
    return changed


_DIRECTORY_RULE = Text(
    f"须以 http(s) 开头、以 / 结尾，不含端口和参数，最长 {MAX_DIRECTORY} 个字符，大小写与页面地址一致。",
    "must begin with http(s), end with /, have no port and no query, and spell letters as the pages do.",
)
_DIRECTORY_HOST = Text(
    "须使用已备案的域名，不能用 IP 地址或内网名称。",
    "must use a public domain name, not an address or an internal name.",
)
_TWICE = Text("与上面的一条重复，请删除其中一条。", "stands above already; remove one of the two.")
_TOO_MANY = Text(
    f"微信最多支持 {MAX_DIRECTORIES} 条支付目录，请删减。",
    f"cannot be stored: WeChat keeps {MAX_DIRECTORIES} payment directories. Remove some.",
)
