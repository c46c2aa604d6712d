"""The tenants of a service provider: list, and one tenant with bindings, keys, addresses and history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from spapp.accounts.service import Staff
from spapp.console.frame.places import CONSOLE, provider_scope
from spapp.console.frame.shell import show
from spapp.console.frame.words import (
    BINDING,
    BINDING_KIND,
    BINDING_OWNER,
    KEY_IN_USE,
    KEY_REVOKED,
    TENANT,
    Chip,
)
from spapp.console.tenants.trail import SHOWN, ActLine, last_acts
from spapp.web.i18n import N_
from spapp.web.pages import AnyRequest
from spcore.clock import Clock
from spcore.db.engine import Database
from spcore.errors import InvalidInput
from spcore.settings import Settings
from sptenants.orders.volumes import paid_since
from sptenants.registry.models import MAX_BINDINGS
from sptenants.registry.notify_paths import notify_urls
from sptenants.registry.reader import (
    ApiKeyRow,
    BindingRow,
    TenantDetail,
    TenantFilter,
    TenantReader,
    TenantRow,
)
from wechatpay.money import Fen

PAGE_SIZE = 20

_TENANTS = "/console/tenants"
_VOLUME_SPAN = timedelta(days=7)
_ADDRESS_WORDS = {"payment": N_("支付通知"), "refund": N_("退款通知")}


@dataclass(frozen=True, slots=True)
class StatusTab:
    word: str
    url: str
    active: bool
    count: str


@dataclass(frozen=True, slots=True)
class TenantLine:
    row: TenantRow
    paid_amount: Fen

    @property
    def url(self) -> str:
        return f"{_TENANTS}/{self.row.id}"

    @property
    def chip(self) -> Chip:
        return TENANT[self.row.status]


@dataclass(frozen=True, slots=True)
class BindingLine:
    row: BindingRow

    @property
    def kind_word(self) -> str:
        return BINDING_KIND[self.row.kind]

    @property
    def owner_word(self) -> str:
        return BINDING_OWNER[self.row.owner]

    @property
    def chip(self) -> Chip:
        return BINDING[self.row.status]

    @property
    def needs_secret(self) -> bool:
        """Only a mini-program's login goes through us."""
        return self.row.kind == "miniprogram"


@dataclass(frozen=True, slots=True)
class KeyLine:
    row: ApiKeyRow

    @property
    def chip(self) -> Chip:
        return KEY_IN_USE if self.row.revoked_at is None else KEY_REVOKED


@dataclass(frozen=True, slots=True)
class Address:
    word: str
    url: str


@dataclass(frozen=True, slots=True)
class TenantView:
    """One tenant as `tenants/page.html` shows it."""

    detail: TenantDetail
    paid_amount: Fen
    addresses: tuple[Address, ...]
    acts: tuple[ActLine, ...]

    @property
    def chip(self) -> Chip:
        return TENANT[self.detail.tenant.status]

    @property
    def bindings(self) -> tuple[BindingLine, ...]:
        return tuple(BindingLine(row) for row in self.detail.bindings)

    @property
    def api_keys(self) -> tuple[KeyLine, ...]:
        return tuple(KeyLine(row) for row in self.detail.api_keys)


class TenantPages(Controller):
    path = _TENANTS
    opt = CONSOLE
    include_in_schema = False

    @get("/")
    async def tenants(
        self,
        request: AnyRequest,
        staff: NamedDependency[Staff],
        tenant_reader: NamedDependency[TenantReader],
        clock: NamedDependency[Clock],
        database: NamedDependency[Database],
    ) -> Response[str]:
        scope, given = provider_scope(staff), request.query_params
        status = given["status"] if given.get("status") in TENANT else None
        q = given.get("q", "").replace("\0", "").strip()[:64]
        cursor = given.get("cursor") or None
        wanted = TenantFilter(status=status, q=q or None)
        try:
            found = await tenant_reader.list(scope, wanted, PAGE_SIZE, cursor)
        except InvalidInput:
            cursor = None  # not a cursor of ours: the first page is the most useful answer to a person
            found = await tenant_reader.list(scope, wanted, PAGE_SIZE)
        counts = await tenant_reader.counts(scope)
        ids = [row.id for row in found.rows]
        paid = await paid_since(database, scope, ids, clock.now() - _VOLUME_SPAN)
        return await show(
            request,
            database,
            staff,
            "tenants/list.html",
            current=_TENANTS,
            state=status,
            q=q,
            tabs=_tabs(counts, status, q),
            rows=[TenantLine(row, paid.get(row.id, Fen(0))) for row in found.rows],
            max_bindings=MAX_BINDINGS,
            first_url=_url(status, q) if cursor else None,
            next_url=_url(status, q, found.next_cursor) if found.next_cursor else None,
        )

    @get("/{tenant_id:str}")
    async def tenant(
        self,
        request: AnyRequest,
        tenant_id: FromPath[str],
        staff: NamedDependency[Staff],
        tenant_reader: NamedDependency[TenantReader],
        clock: NamedDependency[Clock],
        database: NamedDependency[Database],
        settings: NamedDependency[SkipValidation[Settings]],
    ) -> Response[str]:
        scope = provider_scope(staff)
        detail = await tenant_reader.detail(scope, tenant_id)
        paid = await paid_since(database, scope, [tenant_id], clock.now() - _VOLUME_SPAN)
        view = TenantView(
            detail=detail,
            paid_amount=paid.get(tenant_id, Fen(0)),
            addresses=_addresses(detail, settings.public_url),
            acts=await last_acts(database, scope, tenant_id),
        )
        return await show(
            request,
            database,
            staff,
            "tenants/page.html",
            current=_TENANTS,
            view=view,
            tenant=detail.tenant,
            provider=detail.provider,
            max_bindings=MAX_BINDINGS,
            audit_shown=SHOWN,
        )


def _tabs(counts: Mapping[str, int], status: str | None, q: str) -> tuple[StatusTab, ...]:
    everything = StatusTab(N_("全部"), _url(None, q), status is None, f"{sum(counts.values()):,}")
    return (
        everything,
        *(
            StatusTab(chip.word, _url(code, q), code == status, f"{counts.get(code, 0):,}")
            for code, chip in TENANT.items()
        ),
    )


def _url(status: str | None, q: str, cursor: str | None = None) -> str:
    given = {"status": status, "q": q, "cursor": cursor}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{_TENANTS}?{query}" if query else _TENANTS


def _addresses(detail: TenantDetail, public_url: str) -> tuple[Address, ...]:
    """Return the addresses of the API version that this provider's new orders are made with."""
    urls = notify_urls(public_url, detail.tenant.route_key)[detail.provider.api_version]
    return tuple(Address(_ADDRESS_WORDS[kind], url) for kind, url in urls.items())
