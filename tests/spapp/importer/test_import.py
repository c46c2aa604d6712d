"""Importing: all of a file or nothing of it, again and again, on both databases (contract section 4)."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.conftest import HeldClock
from tests.support import import_file
from tests.support.import_file import binding, changed, encoded, example, provider, tenant

from spapp.accounts.models import ConsoleSession, Membership, Person
from spapp.accounts.passwords import verify_password
from spapp.importer.apply import import_document
from spapp.importer.result import ImportResult
from spcore.audit.models import AuditRow
from spcore.audit.verifier import verify
from spcore.db.engine import Database
from spcore.db.guard import ScopeViolation
from spcore.db.scope import DoorScope, ImportScope, PlatformScope, ProviderScope, TenantScope
from spcore.errors import InvalidInput
from spcore.providers.keyring import Keyring
from spcore.providers.models import Provider, ProviderKey
from spcore.vault import Vault
from sptenants.orders.models import Order
from sptenants.prices.models import Price
from sptenants.reconciliation.models import AgreedRate
from sptenants.registry.bindings import secret_context
from sptenants.registry.models import ApiKey, AppBinding, Tenant
from sptenants.registry.tokens import token_hash
from sptenants.webhooks.endpoints import secret_context as webhook_context
from sptenants.webhooks.models import WebhookEndpoint

PUBLIC_URL = "https://pay.example.com"
COUNTED = (Provider, Tenant, AppBinding, Price, ApiKey, WebhookEndpoint, AuditRow)


class Importing:
    """An installation one can import into and look at."""

    def __init__(self, database: Database, clock: HeldClock) -> None:
        self.database = database
        self.clock = clock
        self.vault = Vault([b"k" * 32])

    async def load(self, document: Any) -> ImportResult:
        return await import_document(self.database, self.vault, self.clock, encoded(document), PUBLIC_URL)

    async def refused(self, document: Any) -> list[tuple[str, str]]:
        with pytest.raises(InvalidInput) as refusal:
            await self.load(document)
        return [(fault.pointer, fault.code) for fault in refusal.value.faults]

    async def counts(self) -> dict[str, int]:
        async with self.database.read(PlatformScope("test")) as session:
            return {
                model.__tablename__: await session.scalar(select(func.count()).select_from(model)) or 0
                for model in (*COUNTED, Person, Membership)
            }

    async def all_of(self, model: type[Any]) -> list[Any]:
        async with self.database.read(PlatformScope("test")) as session:
            return list(await session.scalars(select(model)))


@pytest.fixture
def importing(database: Database, clock: HeldClock) -> Importing:
    return Importing(database, clock)


async def test_the_contracts_example_answers_as_the_contract_says(importing: Importing) -> None:
    result = (await importing.load(example())).to_json()

    (made,) = result["providers"]
    (shop,) = made["tenants"]
    assert made["id"].startswith("prv_")
    assert made["mch_id"] == "1900000109"
    assert re.fullmatch(r"wpk_test_[0-9A-Za-z]{32}", made["api_keys"][0]["secret"])
    assert (shop["sub_mch_id"], shop["status"]) == ("1600000021", "live")
    assert re.fullmatch(
        r"https://pay\.example\.com/notify/wechat/[0-9A-Za-z]{32}/v2/payment",
        shop["notify_urls"]["v2"]["payment"],
    )
    assert {version: set(urls) for version, urls in shop["notify_urls"].items()} == {
        "v2": {"payment", "refund"},
        "v3": {"payment", "refund"},
    }
    assert shop["bindings"] == [{"id": shop["bindings"][0]["id"], "sub_appid": "wx3f8c21d0b7e6a91c"}]
    assert re.fullmatch(r"wsk_test_[0-9A-Za-z]{32}", shop["api_keys"][0]["secret"])
    assert shop["webhooks"][0]["secret"].startswith("whsec_")


async def test_importing_again_changes_nothing_and_makes_no_new_secret(importing: Importing) -> None:
    first = (await importing.load(example())).to_json()
    before = await importing.counts()
    importing.clock.advance(hours=1)

    again = (await importing.load(example())).to_json()

    assert await importing.counts() == before
    assert "secret" not in repr(again)
    for holder in (first["providers"][0], first["providers"][0]["tenants"][0]):
        for entry in holder["api_keys"] + holder.get("webhooks", []):
            del entry["secret"]
    assert again == first


async def test_a_changed_file_updates_what_it_names_and_leaves_the_rest(importing: Importing) -> None:
    await importing.load(example())
    shop = {
        "name": "晨曦咖啡馆",
        "sub_mch_id": "1600000021",
        "bindings": [binding("wx3f8c21d0b7e6a91c", owner="channel", app_secret="another-secret")],
        "prices": [{"code": "latte", "name": "拿铁", "amount": 1380, "max_quantity": 10, "active": False}],
        "api_keys": [{"name": "till"}],
    }
    amended = provider(109, shop, appid="wx9999999999999999", sign_type="MD5", api_v2_key="B" * 32)

    await importing.load({"providers": [amended]})

    (sp,) = await importing.all_of(Provider)
    (found,) = await importing.all_of(Tenant)
    (price,) = await importing.all_of(Price)
    (bound,) = await importing.all_of(AppBinding)
    assert (sp.name, sp.appid, sp.sign_type) == ("服务商 109", "wx9999999999999999", "MD5")
    assert (found.name, found.status, found.server_per_second) == ("晨曦咖啡馆", "live", 50)
    assert (price.amount, price.max_quantity, price.active) == (1380, 10, False)
    assert (bound.owner, bound.secret_version, bound.status) == ("channel", 2, "verified")
    scope = TenantScope(sp.id, found.id)
    assert importing.vault.open(bound.secret_sealed, secret_context(scope, bound.id, 2)) == b"another-secret"
    assert {key.name for key in await importing.all_of(ApiKey)} == {"ops", "server", "till"}


async def test_F07_policies_about_refunds_are_set_and_stay_when_the_file_leaves_them_out(
    importing: Importing,
) -> None:
    strict = changed(example(), "#/providers/0/refund_approval_above", 50_000)
    for name in ("refunds_double_payments", "merchant_refunds"):
        strict = changed(strict, f"#/providers/0/tenants/0/{name}", True)
    await importing.load(example())
    (sp,) = await importing.all_of(Provider)
    (shop,) = await importing.all_of(Tenant)
    assert sp.refund_approval_above is None
    assert (shop.refunds_double_payments, shop.merchant_refunds) == (False, False)

    await importing.load(strict)
    await importing.load(example())

    (sp,) = await importing.all_of(Provider)
    (shop,) = await importing.all_of(Tenant)
    assert sp.refund_approval_above == 50_000
    assert (shop.refunds_double_payments, shop.merchant_refunds) == (True, True)


async def test_a_fee_rate_is_agreed_from_the_day_of_the_import_and_only_when_it_changes(
    importing: Importing,
) -> None:
    def with_rate(rate: str) -> Any:
        return changed(example(), "#/providers/0/tenants/0/fee_rate", rate)

    await importing.load(with_rate("0.60%"))
    importing.clock.advance(days=2)
    for document in (with_rate("0.6%"), example(), with_rate("0.38%"), with_rate("0.38%")):
        await importing.load(document)

    rates = sorted(await importing.all_of(AgreedRate), key=lambda row: row.from_date)
    assert [(row.from_date.isoformat(), row.rate, row.set_by) for row in rates] == [
        ("2026-11-21", 6_000, "wxsp import"),
        ("2026-11-23", 3_800, "wxsp import"),
    ]
    acts = [row for row in await importing.all_of(AuditRow) if row.action == "rate.agreed"]
    assert len(acts) == 2


async def test_own_bills_are_set_and_stay_when_the_file_leaves_them_out(importing: Importing) -> None:
    await importing.load(changed(example(), "#/providers/0/tenants/0/own_bills", True))
    await importing.load(example())

    (shop,) = await importing.all_of(Tenant)
    assert shop.own_bills is True


async def test_K01_a_changed_v2_key_signs_at_once_and_the_old_one_still_verifies(
    importing: Importing,
) -> None:
    await importing.load(example())
    await importing.load(changed(example(), "#/providers/0/api_v2_key", "B" * 32))

    (sp,) = await importing.all_of(Provider)
    keys = await Keyring(importing.database, importing.vault, importing.clock).v2(sp.id, sp.key_epoch)
    assert keys.signing.secret == "B" * 32
    assert [key.secret for key in keys.verifying(importing.clock.now())] == ["B" * 32, import_file.V2_KEY]


async def test_A03_what_the_file_keeps_secret_is_nowhere_readable_in_the_database(
    importing: Importing,
) -> None:
    made = (await importing.load(example())).to_json()["providers"][0]
    secrets = [
        *import_file.CANARIES,
        made["api_keys"][0]["secret"],
        made["tenants"][0]["api_keys"][0]["secret"],
        made["tenants"][0]["webhooks"][0]["secret"],
        "BEGIN PRIVATE KEY",
    ]

    stored = ""
    for model in (*COUNTED, Person):
        for row in await importing.all_of(model):
            stored += repr([getattr(row, column.key) for column in row.__table__.columns])
    async with importing.database.read(ImportScope()) as session:
        for row in await session.scalars(select(ProviderKey)):
            stored += repr((row.sealed, row.fingerprint, row.label))

    assert stored.count("latte") == 1
    assert [secret for secret in secrets if secret in stored] == []


async def test_stored_secrets_open_at_their_place_and_keys_are_hashed(importing: Importing) -> None:
    made = (await importing.load(example())).to_json()["providers"][0]
    shop = made["tenants"][0]

    (hook,) = await importing.all_of(WebhookEndpoint)
    opened = importing.vault.open(hook.secret_sealed, webhook_context(made["id"], shop["id"], hook.id))
    assert opened.decode() == shop["webhooks"][0]["secret"]
    hashes = {key.name: key.secret_hash for key in await importing.all_of(ApiKey)}
    assert hashes == {
        "ops": token_hash(made["api_keys"][0]["secret"]),
        "server": token_hash(shop["api_keys"][0]["secret"]),
    }


async def test_people_may_sign_in_with_the_files_password_and_have_their_role_once(
    importing: Importing,
) -> None:
    await importing.load(example())
    await importing.load(changed(example(), "#/admins/0/password", "another-violet-otter-92"))

    people = {person.email: person for person in await importing.all_of(Person)}
    assert verify_password(people["op@example.com"].password_hash, import_file.PASSWORD)
    assert verify_password(people["root@example.com"].password_hash, "another-violet-otter-92")
    assert {
        (row.role, row.provider_id is None, row.tenant_id is None)
        for row in await importing.all_of(Membership)
    } == {
        ("platform_admin", True, True),
        ("provider_owner", False, True),
        ("merchant_user", False, False),
    }


async def test_a_changed_password_ends_the_persons_sessions(importing: Importing) -> None:
    await importing.load(example())
    members = {row.role: row for row in await importing.all_of(Membership)}
    async with importing.database.write(DoorScope()) as session:
        for role in ("platform_admin", "provider_owner"):
            session.add(
                ConsoleSession(
                    token_hash=role,
                    person_id=members[role].person_id,
                    membership_id=members[role].id,
                    level="full",
                    csrf_token="c",
                    peer="192.0.2.1",
                    user_agent="x",
                    created_at=importing.clock.now(),
                    last_seen_at=importing.clock.now(),
                    expires_at=importing.clock.now(),
                )
            )

    await importing.load(changed(example(), "#/admins/0/password", "another-violet-otter-92"))

    assert [row.token_hash for row in await importing.all_of(ConsoleSession)] == ["provider_owner"]


async def test_A06_every_change_is_in_the_audit_chains_without_secrets(importing: Importing) -> None:
    await importing.load(example())

    rows = await importing.all_of(AuditRow)
    assert (await verify(importing.database)).ok
    assert {row.action for row in rows} == {
        "provider.created",
        "provider.key_set",
        "tenant.created",
        "tenant.changed",
        "tenant.status_changed",
        "binding.created",
        "api_key.created",
        "webhook.created",
        "member.added",
        "person.set_password",
    }
    assert {row.actor_kind for row in rows} == {"cli"}
    (live,) = [row for row in rows if row.action == "tenant.status_changed"]
    assert (live.before, live.after, live.reason) == ({"status": "draft"}, {"status": "live"}, "import")
    told = repr([(row.before, row.after) for row in rows])
    assert not [canary for canary in import_file.CANARIES if canary in told]


async def test_one_fault_in_a_late_provider_keeps_everything_out(importing: Importing) -> None:
    before = await importing.counts()
    taken = tenant(2, bindings=[binding("wx3f8c21d0b7e6a91c")])
    document = example()
    document["providers"].append(provider(2, taken))

    assert await importing.refused(document) == [
        ("#/providers/1/tenants/0/bindings/0/sub_appid", "appid_in_use")
    ]
    assert await importing.counts() == before


async def test_faults_that_only_the_database_knows_are_all_listed(importing: Importing) -> None:
    five = [binding(f"wx{number:016d}") for number in range(5)]
    await importing.load({"providers": [provider(1, tenant(1, bindings=five), tenant(2))]})
    stranger = provider(2, tenant(1, bindings=[binding("wx0000000000000003")]))
    sixth = tenant(1, bindings=[binding("wx0000000000000009")])
    renamed = tenant(3) | {"name": "商户 2"}
    del stranger["api_v2_key"]
    third = provider(3, tenant(1, bindings=[binding("wx0000000000000004")]))

    assert await importing.refused({"providers": [provider(1, sixth, renamed), stranger, third]}) == [
        ("#/providers/0/tenants/0/bindings/0/sub_appid", "no_free_slot"),
        ("#/providers/0/tenants/1/name", "taken"),
        ("#/providers/1/api_v2_key", "missing"),
        ("#/providers/2/tenants/0/bindings/0/sub_appid", "appid_in_use"),
    ]


async def test_O06_another_providers_appid_is_refused_but_modes_are_apart(importing: Importing) -> None:
    shared = [binding("wx3f8c21d0b7e6a91c")]
    await importing.load({"providers": [provider(1, tenant(1, bindings=shared))]})

    assert await importing.refused({"providers": [provider(2, tenant(1, bindings=shared))]}) == [
        ("#/providers/0/tenants/0/bindings/0/sub_appid", "appid_in_use")
    ]
    await importing.load({"providers": [provider(2, tenant(1, bindings=shared), mode="live")]})


async def test_a_live_provider_is_refused_while_wechat_could_not_reach_us_by_https(
    importing: Importing,
) -> None:
    live = encoded({"providers": [provider(1), provider(2, mode="live")]})
    with pytest.raises(InvalidInput) as refused:
        await import_document(
            importing.database, importing.vault, importing.clock, live, "http://127.0.0.1:8000"
        )
    assert [(fault.pointer, fault.code) for fault in refused.value.faults] == [
        ("#/providers/1/mode", "https_needed")
    ]


async def test_S1_42_tenants_share_the_providers_mini_program(importing: Importing) -> None:
    own = [binding("wx3f8c21d0b7e6a91c", owner="provider", app_secret=import_file.APP_SECRET)]
    shops = (tenant(1, bindings=own), tenant(2, bindings=own))

    made = (await importing.load({"providers": [provider(1, *shops)]})).to_json()["providers"][0]

    assert [shop["bindings"][0]["sub_appid"] for shop in made["tenants"]] == ["wx3f8c21d0b7e6a91c"] * 2
    assert len({shop["notify_urls"]["v2"]["payment"] for shop in made["tenants"]}) == 2


async def test_S18_the_same_sub_mch_id_under_two_providers_are_two_tenants(importing: Importing) -> None:
    made = await importing.load({"providers": [provider(1, tenant(1)), provider(2, tenant(1))]})

    assert len({sp.tenants[0].id for sp in made.providers}) == 2


@pytest.mark.parametrize("kind", ["ordinary", "bank"])
async def test_S1_31_both_kinds_of_provider_are_kept_apart(importing: Importing, kind: str) -> None:
    await importing.load({"providers": [provider(1, tenant(1), kind=kind)]})

    assert [sp.kind for sp in await importing.all_of(Provider)] == [kind]


async def test_S1_30_a_plain_merchant_is_its_own_only_tenant(importing: Importing) -> None:
    document = {"providers": [provider(1, {"name": "自营", "status": "live"}, kind="merchant")]}

    first = await importing.load(document)
    again = await importing.load(changed(document, "#/providers/0/tenants/0/name", "自营店"))

    assert first.providers[0].tenants[0].id == again.providers[0].tenants[0].id
    assert first.to_json()["providers"][0]["tenants"][0]["sub_mch_id"] is None
    assert await importing.refused(changed(document, "#/providers/0", provider(1, tenant(1)))) == [
        ("#/providers/0/kind", "cannot_change")
    ]


async def test_a_provider_for_v3_needs_its_v3_key_and_certificate(importing: Importing) -> None:
    assert await importing.refused({"providers": [provider(1, api_version="v3")]}) == [
        ("#/providers/0/api_v3_key", "missing"),
        ("#/providers/0/client_cert_pem", "missing"),
    ]
    await importing.load(example())
    without_keys = {
        name: value
        for name, value in example()["providers"][0].items()
        if name not in {"api_v3_key", "client_cert_pem", "client_key_pem"}
    }

    await importing.load({"providers": [without_keys | {"api_version": "v3"}]})

    assert [sp.api_version for sp in await importing.all_of(Provider)] == ["v3"]


async def test_T12_a_closed_tenant_stays_closed_and_its_keys_are_dead(importing: Importing) -> None:
    await importing.load(example())
    closing = changed(example(), "#/providers/0/tenants/0/status", "closed")

    made = await importing.load(closing)

    assert made.providers[0].tenants[0].status == "closed"
    revoked = {key.name: key.revoked_at is not None for key in await importing.all_of(ApiKey)}
    assert revoked == {"ops": False, "server": True}
    assert await importing.refused(example()) == [("#/providers/0/tenants/0", "tenant_closed")]


async def test_two_imports_at_once_make_everything_once(importing: Importing) -> None:
    document = {"providers": [provider(1, tenant(1, bindings=[binding("wx0000000000000001")]))]}

    results = await asyncio.gather(*(importing.load(document) for _ in range(5)))

    assert len({result.providers[0].tenants[0].id for result in results}) == 1
    counts = await importing.counts()
    assert (counts["service_providers"], counts["tenants"], counts["app_bindings"]) == (1, 1, 1)
    assert (await verify(importing.database)).ok


async def test_an_import_cannot_reach_orders(importing: Importing) -> None:
    async with importing.database.write(ImportScope()) as session:
        with pytest.raises(ScopeViolation):
            await session.execute(select(Order))


async def test_rows_of_an_import_are_found_in_their_own_scope_only(importing: Importing) -> None:
    made = await importing.load({"providers": [provider(1, tenant(1)), provider(2, tenant(2))]})
    one, other = made.providers

    async with importing.database.read(ProviderScope(one.id)) as session:
        mine = await session.scalars(select(Tenant.id).where(Tenant.provider_id == one.id))
        assert list(mine) == [one.tenants[0].id]
        with pytest.raises(ScopeViolation):
            await session.scalars(select(Tenant.id).where(Tenant.provider_id == other.id))


async def test_people_read_a_summary_with_new_keys_marked(importing: Importing) -> None:
    result = await importing.load(example())

    text = result.to_text()
    secret = result.providers[0].tenants[0].api_keys[0].secret
    assert secret is not None
    assert secret in text
    assert "只显示这一次" in text
    assert secret not in repr(result)
    assert "只显示这一次" not in (await importing.load(example())).to_text()
