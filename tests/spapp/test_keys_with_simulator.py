"""Keys against the strict simulator: certificates fetched and rotated, candidates tried (B-13, K03, K04)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import insert, select
from tests.support.databases import sqlite_url
from tests.support.simulated import APPID, COFFEE, KEY, MCH_ID, MERCHANT, OTHER_KEY
from tests.support.simulated_v3 import OTHER_V3_KEY, V3_KEY, Identity, document, identity
from tests.support.visitor import site_environment

from spapp.gateways import Gateways
from spcore.audit.actor import SYSTEM
from spcore.clock import SystemClock
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.candidates import Candidates
from spcore.providers.echo_trial import EchoTrial
from spcore.providers.keyring import Keyring
from spcore.providers.material import KeyMaterial, client_certificate, public_key, symmetric_key
from spcore.providers.models import KeyKind, Provider
from spcore.providers.platform_certificates import PlatformCertificates
from spcore.providers.profile import ProviderProfile
from spcore.providers.questions import Questions
from spcore.providers.rehearsal import Rehearsal, Rehearsals
from spcore.providers.rotation import Origin, ProviderKeys
from spcore.providers.samples import Sample
from spcore.providers.uses import KeyUses
from spcore.settings import Settings
from spcore.vault import Vault
from spsim.serve import Running, running
from wechatpay.identifiers import SubMchId

BY = Origin(SYSTEM)


class NothingCame:
    async def last(self, scope: ProviderScope, version: str, limit: int) -> Sequence[Sample]:
        assert scope.provider_id
        return []


class AMinuteLater:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=61)


class Coffee:
    async def any_of(self, scope: ProviderScope) -> SubMchId | None:
        assert scope.provider_id
        return SubMchId(COFFEE)

    async def echo_url(self, scope: ProviderScope) -> str | None:
        assert scope.provider_id
        return None


@dataclass
class World:
    """A provider of ours that the simulator knows, with everything its keys are changed with."""

    where: Running
    own: dict[str, Identity]
    database: Database
    gateways: Gateways
    scope: ProviderScope
    keys: ProviderKeys
    candidates: Candidates
    certificates: PlatformCertificates
    rehearsals: Rehearsals
    keyring: Keyring

    def control(self, path: str, /, **told: Any) -> Any:
        response = httpx.post(f"{self.where.url}/_sim/{path}", json=told, trust_env=False, timeout=30)
        assert response.is_success, response.text
        return response.json()

    def known_as(self, **changes: Any) -> dict[str, Any]:
        """Tell the simulator what WeChat knows of the provider; return what it hands out."""
        answer: dict[str, Any] = self.control("providers", **document(self.own, **changes))
        return next(one for one in answer["providers"] if one["mch_id"] == MCH_ID)

    async def equip(self, mine: Identity) -> None:
        """Put the keys into use that the simulator knows."""
        for kind, text in ((KeyKind.API_V2, KEY), (KeyKind.API_V3, V3_KEY)):
            await self.keys.replace(self.scope, symmetric_key(kind, text), BY)
        await self.keys.replace(self.scope, pair(mine), BY)

    async def rehearse(self, material: KeyMaterial) -> Rehearsal:
        version = await self.candidates.put(self.scope, material, BY)
        return await self.rehearsals.rehearse(self.scope, material.kind, version, BY)

    async def profile(self) -> ProviderProfile:
        query = select(Provider).where(Provider.id == self.scope.provider_id)
        async with self.database.read(self.scope) as session:
            return ProviderProfile.of((await session.scalars(query)).one())

    async def serials(self) -> set[str]:
        profile = await self.profile()
        return {key.serial for key in (await self.keyring.v3(profile.id, profile.key_epoch)).platform}


def pair(mine: Identity) -> KeyMaterial:
    key = mine.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return client_certificate(mine.pem.encode(), key, mch_id=MCH_ID, now=datetime.now(UTC))


@pytest.fixture(scope="module")
def where() -> Iterator[Running]:
    with running() as started:
        yield started


@pytest.fixture(scope="module")
def own() -> dict[str, Identity]:
    return {mch_id: identity(mch_id) for mch_id in (MCH_ID, MERCHANT)}


@pytest.fixture
async def world(where: Running, own: dict[str, Identity], tmp_path: Path) -> AsyncIterator[World]:
    url = sqlite_url(tmp_path)
    environment = site_environment(url) | {
        "WXSP_SIMULATOR_URL": where.url,
        "WXSP_SIMULATOR_TLS_URL": where.tls_url,
    }
    clock, database, vault = SystemClock(), Database(url), Vault([b"k" * 32])
    gateways = Gateways(Settings.from_env(environment), clock, KeyUses(database, clock))
    scope, now = ProviderScope(new_id("prv")), clock.now()
    row = {
        "id": scope.provider_id,
        "mode": "test",
        "kind": "ordinary",
        "name": "服务商",
        "mch_id": MCH_ID,
        "appid": APPID,
        "api_version": "v3",
        "sign_type": "HMAC-SHA256",
        "status": "active",
        "route_key": "rte",
        "key_epoch": 1,
        "created_at": now,
        "updated_at": now,
    }
    async with database.write(scope) as session:
        await session.execute(insert(table_of(Provider)), [row])
    keyring = Keyring(database, vault, clock)
    echo_trial = EchoTrial(database, clock, gateways, NothingCame(), Coffee())
    yield World(
        where,
        own,
        database,
        gateways,
        scope,
        ProviderKeys(database, vault, clock),
        Candidates(database, vault, clock),
        PlatformCertificates(database, vault, clock, keyring, gateways),
        Rehearsals(
            database,
            vault,
            clock,
            keyring,
            NothingCame(),
            Questions(clock, gateways, Coffee()),
            echo_trial,
        ),
        keyring,
    )
    await gateways.close()
    await database.close()


async def test_K03_certificates_are_fetched_and_the_next_one_is_learnt(world: World) -> None:
    issued = world.known_as(verification="certificate")
    await world.equip(world.own[MCH_ID])
    assert await world.certificates.run_due() == 1
    assert await world.serials() == {one["serial"] for one in issued["platform_certificates"]}
    new = world.control("v3/keys", mch_id=MCH_ID, action="rotate_certificate", effective_in_s=0)["serial"]
    assert await world.certificates.learn(await world.profile()) is None, "asked a moment ago"
    later = PlatformCertificates(
        world.database, Vault([b"k" * 32]), AMinuteLater(), world.keyring, world.gateways
    )
    assert await later.learn(await world.profile()) is not None
    assert new in await world.serials()


async def test_K04_a_merchant_number_with_public_keys_only_has_no_certificates(world: World) -> None:
    world.known_as(verification="public_key")
    await world.equip(world.own[MCH_ID])
    assert await world.certificates.run_due() == 1
    last = await world.certificates.last_fetch(world.scope)
    assert last is not None
    assert last.result == "none"


async def test_B13_each_kind_of_candidate_is_tried_at_the_gateway(world: World) -> None:
    issued = world.known_as(verification="both")
    await world.equip(world.own[MCH_ID])
    await world.certificates.run_due()
    told = issued["wechatpay_public_keys"][-1]
    right = await world.rehearse(public_key(told["id"], told["pem"].encode()))
    assert (right.result, right.answer.asked, right.answer.question) == ("passed", "accepted", "echo")

    for kind, wrong in ((KeyKind.API_V2, OTHER_KEY), (KeyKind.API_V3, OTHER_V3_KEY)):
        refused = await world.rehearse(symmetric_key(kind, wrong))
        assert (refused.result, refused.answer.asked) == ("failed", "refused"), kind
    stranger = await world.rehearse(pair(identity(MCH_ID)))
    assert (stranger.result, stranger.answer.asked) == ("failed", "refused")


async def test_pain_21_at_the_gateway_each_key_is_told_from_the_other(world: World) -> None:
    world.known_as(verification="both", api_v3_key=OTHER_V3_KEY)
    await world.equip(world.own[MCH_ID])
    swapped = await world.rehearse(symmetric_key(KeyKind.API_V2, OTHER_V3_KEY))
    assert (swapped.result, swapped.looks_like) == ("failed", KeyKind.API_V3)
    passed = await world.rehearse(symmetric_key(KeyKind.API_V3, OTHER_V3_KEY))
    assert (passed.result, passed.answer.question) == ("passed", "certificates")
