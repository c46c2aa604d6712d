"""What goes in and out of the tenant routes (contract section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from spcore.db.keyset import Page
from sptenants.registry.bindings import BindingProfile
from sptenants.registry.notify_paths import notify_urls
from sptenants.registry.particulars import Contact as PersonToAsk
from sptenants.registry.particulars import Particulars
from sptenants.registry.reader import BindingRow, TenantDetail, TenantRow

CHINA = timezone(timedelta(hours=8))

_TENANT_ID = Meta(examples=["ten_01JD3K8W7Q4M6X0B2T9V5H1CZN"])
_TIME = Meta(examples=["2026-11-21T14:32:08+08:00"])
AppIdText = Annotated[
    str, Meta(description="微信 AppID：wx 加 16 位字母或数字", examples=["wx3f8c21d0b7e6a91c"])
]
SubMchIdText = Annotated[str, Meta(description="特约商户号，8–10 位数字", examples=["1600000021"])]
NameText = Annotated[str, Meta(description="特约商户名称，1–64 个字", examples=["晨曦咖啡"])]
ShortNameText = Annotated[str, Meta(description="简称，最多 20 个字", examples=["晨曦"])]
NoteText = Annotated[str, Meta(description="结算说明，最多 200 个字", examples=["T+1 结算到对公账户"])]
KindText = Literal["miniprogram", "official_account", "app"]
AppNameText = Annotated[str, Meta(description="应用名称，便于辨认", examples=["晨曦点单"])]
OwnerText = Literal["merchant", "channel", "provider"]


def wire_time(moment: datetime) -> datetime:
    """Return a moment as answers show it: UTC+8, whole seconds."""
    return moment.astimezone(CHINA).replace(microsecond=0)


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to ask. Stored sealed; answers show it masked, such as `138****1234`."""

    name: Annotated[str | None, Meta(examples=["王敏"])] = None
    phone: Annotated[str | None, Meta(examples=["13800001234"])] = None
    email: Annotated[str | None, Meta(examples=["shop@example.com"])] = None


class CreateTenant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: NameText
    sub_mch_id: SubMchIdText | None = None
    """Left out for the one tenant of a plain merchant only."""
    short_name: ShortNameText | None = None
    contact: Contact | None = None
    settlement_note: NoteText | None = None

    @property
    def particulars(self) -> Particulars:
        given = self.contact or Contact()
        return Particulars(
            self.short_name or "",
            PersonToAsk(given.name or "", given.phone or "", given.email or ""),
            self.settlement_note or "",
        )


class AddBinding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sub_appid: AppIdText
    kind: KindText
    owner: OwnerText
    app_secret: Annotated[
        str | None,
        Meta(
            description="小程序登录所需的 AppSecret；只写，任何接口都不返回",
            examples=["f0e1d2c3b4a5968778695a4b3c2d1e0f"],
        ),
    ] = None
    name: AppNameText | None = None


class Binding(msgspec.Struct, frozen=True):
    id: Annotated[str, Meta(examples=["bnd_01JD3K8W7Q4M6X0B2T9V5H1CZN"])]
    slot: Annotated[int, Meta(description="第几个绑定位，1–5", examples=[1])]
    sub_appid: AppIdText
    name: AppNameText | None
    kind: str
    owner: str
    status: Annotated[str, Meta(examples=["unverified"])]
    has_secret: bool

    @classmethod
    def of(cls, row: BindingRow | BindingProfile) -> Binding:
        return cls(
            id=row.id,
            slot=row.slot,
            sub_appid=row.sub_appid,
            name=row.name,
            kind=row.kind,
            owner=row.owner,
            status=row.status,
            has_secret=row.has_secret,
        )


class TenantListed(msgspec.Struct, frozen=True):
    id: Annotated[str, _TENANT_ID]
    mode: Annotated[str, Meta(examples=["test"])]
    name: NameText
    sub_mch_id: SubMchIdText | None
    status: Annotated[str, Meta(examples=["live"])]
    bindings_count: Annotated[int, Meta(examples=[1])]
    created_at: Annotated[datetime, _TIME]
    object: Literal["tenant"] = "tenant"

    @classmethod
    def of(cls, row: TenantRow) -> TenantListed:
        return cls(
            id=row.id,
            mode=row.mode,
            name=row.name,
            sub_mch_id=row.sub_mch_id,
            status=row.status,
            bindings_count=row.bindings_count,
            created_at=wire_time(row.created_at),
        )


class TenantList(msgspec.Struct, frozen=True):
    data: list[TenantListed]
    next_cursor: str | None
    has_more: bool
    object: Literal["list"] = "list"

    @classmethod
    def of(cls, page: Page[TenantRow]) -> TenantList:
        return cls([TenantListed.of(row) for row in page.rows], page.next_cursor, page.has_more)


class Limits(msgspec.Struct, frozen=True):
    """Requests a second: of the tenant's server keys, and of its mini-program sessions for one address."""

    server_per_second: Annotated[int, Meta(examples=[200])]
    session_per_second: Annotated[int, Meta(examples=[20])]


class TenantShown(msgspec.Struct, frozen=True):
    id: Annotated[str, _TENANT_ID]
    mode: Annotated[str, Meta(examples=["test"])]
    name: NameText
    short_name: ShortNameText | None
    sub_mch_id: SubMchIdText | None
    status: Annotated[str, Meta(examples=["draft"])]
    contact: Annotated[Contact | None, Meta(description="联系人，只以掩码显示")]
    settlement_note: NoteText | None
    limits: Limits
    bindings: list[Binding]
    notify_urls: Mapping[str, Mapping[str, str]]
    created_at: Annotated[datetime, _TIME]
    object: Literal["tenant"] = "tenant"

    @classmethod
    def of(cls, detail: TenantDetail, public_url: str) -> TenantShown:
        tenant = detail.tenant
        return cls(
            id=tenant.id,
            mode=detail.provider.mode,
            name=tenant.name,
            short_name=detail.short_name,
            sub_mch_id=tenant.sub_mch_id,
            status=tenant.status,
            contact=Contact(**detail.contact_hint) if detail.contact_hint else None,
            settlement_note=detail.settlement_note,
            limits=Limits(tenant.server_per_second, tenant.session_per_second),
            bindings=[Binding.of(row) for row in detail.bindings],
            notify_urls=notify_urls(public_url, tenant.route_key),
            created_at=wire_time(detail.created_at),
        )
