"""A service provider with a sub-merchant, WeChat (the simulator) and the street between them, for the doctor.

The public address of the platform is the simulator's street door, so that everything that may stand before a
notify address can be put there.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import httpx
from litestar.types import Receive, Scope, Send
from sqlalchemy import insert, select, update
from tests.support.certificates import client_certificate
from tests.support.simulated import COFFEE_APP, MCH_ID, PROVIDERS, blind
from tests.support.visitor import site_environment

from spapp.asgi import create_app
from spapp.importer.apply import import_document
from spapp.wiring import Services, build
from spcore.audit.actor import Actor
from spcore.db.base import table_of
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from spcore.providers.models import KeyKind, ProviderKey
from spcore.settings import Settings
from spsim.serve import Running, running
from spsim.server import Listener
from spsim.transport import read_body, send_body
from sptenants.doctor.rows import DoctorReport, Level
from sptenants.notify.journal import Incoming
from sptenants.registry.access import RequestFacts
from sptenants.registry.models import AppBinding, PaymentDirectory, WechatTick
from sptenants.webhooks.models import WebhookEndpoint

PAGE_APP = "wx7e40b15c92d8a6f3"
OWNER = Actor("person", "per_1", "王敏")
_OURS = client_certificate(MCH_ID)


def everything() -> dict[str, Any]:
    """Return an import file of one provider with one sub-merchant that has an app of every kind."""
    document = deepcopy(PROVIDERS)
    provider = document["providers"][0]
    provider |= {"client_cert_pem": _OURS.cert_pem.decode(), "client_key_pem": _OURS.key_pem.decode()}
    provider["members"] = []
    provider["tenants"] = provider["tenants"][:1]
    provider["tenants"][0]["bindings"].append(
        {"sub_appid": PAGE_APP, "kind": "official_account", "owner": "merchant"}
    )
    return {"providers": [provider], "admins": []}


@contextmanager
def wechat() -> Iterator[Running]:
    """Run a WeChat that knows everybody."""
    with running() as where:
        register(where)
        yield where


def register(where: Running, document: dict[str, Any] | None = None) -> Any:
    """Tell WeChat everything anew, which undoes most misconfigurations; returns what it answers."""
    return control(where, "providers", **(document or everything()))


def control(where: Running, path: str, /, **document: Any) -> Any:
    with httpx.Client(trust_env=False, verify=blind(), timeout=10) as http:
        answer = http.post(f"{where.url}/_sim/{path}", json=document)
        assert answer.is_success, answer.text
        return answer.json()


def clear(where: Running, document: dict[str, Any] | None = None) -> None:
    """Undo every fault and misconfiguration."""
    with httpx.Client(trust_env=False, verify=blind(), timeout=10) as http:
        for path in ("faults", "misconfigurations"):
            http.delete(f"{where.url}/_sim/{path}").raise_for_status()
    control(where, "clock", reset=True)
    register(where, document)


@dataclass
class Clinic:
    """The platform, ready to be examined. `street` is where its notify addresses really lead."""

    services: Services
    where: Running
    street: str
    provider: ProviderScope
    tenant: TenantScope

    def misconfigure(self, kind: str, **about: str) -> None:
        control(self.where, "misconfigurations", kind=kind, **about)

    def fault(self, path: str, kind: str, **params: Any) -> None:
        control(self.where, "faults", path=path, kind=kind, **params)

    def front(self, kind: str, **params: Any) -> None:
        control(self.where, "front", target=self.street, kind=kind, **params)

    async def examine(self, *, live: bool = True) -> DoctorReport:
        return await self.services.doctor.run(self.provider, self.tenant.tenant_id, OWNER, live=live)

    async def settle_down(self) -> None:
        """Tick everything that people have to tick, so that nothing is left to warn of."""
        now, owner = (
            self.services.clock.now(),
            {
                "provider_id": self.tenant.provider_id,
                "tenant_id": self.tenant.tenant_id,
            },
        )
        directory = owner | {
            "slot": 1,
            "url": "https://shop.example.com/pay/",
            "created_at": now,
            "confirmed_at": now,
            "confirmed_by": "王敏",
        }
        tick = owner | {"code": "request_domain", "ticked_at": now, "ticked_by": "王敏", "by_link": False}
        async with self.services.database.write(self.tenant) as session:
            await session.execute(insert(table_of(PaymentDirectory)), [directory])
            await session.execute(insert(table_of(WechatTick)), [tick])

    async def add_endpoint(self, **state: Any) -> None:
        """Give the sub-merchant a webhook endpoint in some state."""
        now = self.services.clock.now()
        row = {
            "id": new_id("whe", now),
            "provider_id": self.tenant.provider_id,
            "tenant_id": self.tenant.tenant_id,
            "url": "https://shop.example.com/hook",
            "secret_sealed": b"sealed",
            "secret_version": 1,
            "status": "active",
            "created_at": now,
            "event_sequence": 0,
        }
        async with self.services.database.write(self.tenant) as session:
            await session.execute(insert(table_of(WebhookEndpoint)), [row | state])

    async def change_key(self, kind: KeyKind, **values: Any) -> None:
        """Change what is stored of one of the provider's keys."""
        async with self.services.database.write(self.provider) as session:
            await session.execute(
                update(ProviderKey)
                .where(ProviderKey.provider_id == self.provider.provider_id, ProviderKey.kind == kind.value)
                .values(**values)
            )

    async def binding(self, sub_appid: str = COFFEE_APP) -> AppBinding:
        query = select(AppBinding).where(
            AppBinding.provider_id == self.provider.provider_id,
            AppBinding.tenant_id == self.tenant.tenant_id,
            AppBinding.sub_appid == sub_appid,
        )
        async with self.services.database.read(self.tenant) as session:
            return (await session.scalars(query)).one()

    async def change_binding(self, sub_appid: str, **values: Any) -> None:
        async with self.services.database.write(self.tenant) as session:
            await session.execute(
                update(AppBinding)
                .where(
                    AppBinding.provider_id == self.provider.provider_id,
                    AppBinding.tenant_id == self.tenant.tenant_id,
                    AppBinding.sub_appid == sub_appid,
                )
                .values(**values)
            )


def _settings(database_url: str, where: Running) -> Settings:
    variables = {"WXSP_SIMULATOR_URL": where.url, "WXSP_SIMULATOR_TLS_URL": where.tls_url}
    return Settings.from_env(site_environment(database_url, where.url) | variables)


async def prepare(
    database_url: str, where: Running, status: str = "live", document: dict[str, Any] | None = None
) -> tuple[ProviderScope, TenantScope]:
    """Import everything into a migrated database."""
    services = build(_settings(database_url, where))
    document = deepcopy(document) if document else everything()
    tenant = document["providers"][0]["tenants"][0]
    tenant["status"] = status
    made = await import_document(
        services.database, services.vault, services.clock, json.dumps(document).encode(), where.url
    )
    await services.close()
    provider = made.providers[0]
    return ProviderScope(provider.id), TenantScope(provider.id, provider.tenants[0].id)


@asynccontextmanager
async def clinic_at(
    database_url: str,
    where: Running,
    scopes: tuple[ProviderScope, TenantScope] | None = None,
    *,
    whole: bool = True,
    status: str = "live",
) -> AsyncIterator[Clinic]:
    """Open the platform over a database that `prepare` filled, or is filled now.

    With `whole` all of the program stands behind the notify address, else only what answers the doctor.
    """
    provider, tenant = scopes or await prepare(database_url, where, status)
    settings = _settings(database_url, where)
    services = build(settings)
    app: Any = create_app(settings, services) if whole else _Answering(services)
    street = Listener(app, "127.0.0.1", 0)
    await street.start()
    try:
        clinic = Clinic(services, where, f"http://127.0.0.1:{street.port}", provider, tenant)
        clinic.front("pass")
        yield clinic
    finally:
        await street.stop()
        await services.close()


class _Answering:
    """The part of the notify address that meets challenges and echoes, quick to set up."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive, 1 << 16)
        route_key, version, kind = str(scope["path"]).split("/")[3:]
        if (version, kind) == ("v3", "security"):
            headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
            letter = Incoming(version, kind, body, headers, RequestFacts("req_of_the_clinic", "127.0.0.1"))
            answer = await self._services.echoes.receive(route_key, letter)
            await send_body(send, answer.body, status=answer.status)
            return
        met = self._services.challenges.answer(route_key, body)
        await send_body(send, met or b"", status=200 if met else 404)


def told(report: DoctorReport, *levels: Level) -> set[tuple[str, str | None]]:
    """Return which rows are of these levels: code and appid."""
    return {(row.code, row.about) for row in report.rows if row.level in levels}
