"""A provider whose keys WeChat knows: API certificate, API v3 key, and a fake of WeChat's side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import pytest
from sqlalchemy import select, update
from tests.conftest import HeldClock
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.fake_key_desk import FakeKeyDesk, Signer, in_years, platform_signer
from tests.support.house import MASTER_KEY, House, build_house

from spcore.audit.actor import Actor
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.providers.candidates import Candidates
from spcore.providers.echo_trial import EchoTrial
from spcore.providers.keyring import Keyring
from spcore.providers.material import KeyMaterial, client_certificate, symmetric_key
from spcore.providers.models import KeyKind, Provider
from spcore.providers.platform_certificates import PlatformCertificates
from spcore.providers.profile import ProviderProfile
from spcore.providers.questions import Questions
from spcore.providers.rehearsal import Rehearsals
from spcore.providers.rotation import KeyVersion, Origin, ProviderKeys
from spcore.providers.samples import Sample
from spcore.vault import Vault
from wechatpay.identifiers import SubMchId

V3_KEY, V2_KEY = "V" * 32, "K" * 32
OWNER = Origin(Actor("person", "per_1", "王老板"), "req_1", "198.51.100.7")
PUBLIC_ID = "PUB_KEY_ID_0119000001012026112100111101000000"


@dataclass(slots=True)
class Journal:
    """Stored notifications, as the room of notifications keeps them."""

    v2: list[Sample] = field(default_factory=list)
    v3: list[Sample] = field(default_factory=list)

    async def last(self, scope: ProviderScope, version: str, limit: int) -> Sequence[Sample]:
        assert scope.provider_id
        kept = self.v2 if version == "v2" else self.v3
        return list(reversed(kept))[:limit]


ECHO_URL = "https://pay.example.com/notify/wechat/rte_1/v3/security"


class OneSubMerchant:
    async def any_of(self, scope: ProviderScope) -> SubMchId | None:
        assert scope.provider_id
        return SubMchId("1600000100")

    async def echo_url(self, scope: ProviderScope) -> str | None:
        assert scope.provider_id
        return ECHO_URL


@dataclass(slots=True)
class Bench:
    """Everything that keys are changed with, over one database."""

    database: Database
    vault: Vault
    clock: HeldClock
    house: House
    desk: FakeKeyDesk
    journal: Journal
    slept: list[float] = field(default_factory=list)

    @property
    def scope(self) -> ProviderScope:
        return self.house.provider

    @property
    def keys(self) -> ProviderKeys:
        return ProviderKeys(self.database, self.vault, self.clock)

    @property
    def candidates(self) -> Candidates:
        return Candidates(self.database, self.vault, self.clock)

    def keyring(self) -> Keyring:
        """Return the keyring of another process."""
        return Keyring(self.database, self.vault, self.clock)

    def certificates(self, database: Database | None = None) -> PlatformCertificates:
        database = database or self.database
        keyring = Keyring(database, self.vault, self.clock)
        return PlatformCertificates(database, self.vault, self.clock, keyring, self.desk)

    def rehearsals(self) -> Rehearsals:
        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.advance(seconds=seconds)

        questions = Questions(self.clock, self.desk, OneSubMerchant())
        echo_trial = EchoTrial(
            self.database,
            self.clock,
            self.desk,
            self.journal,
            OneSubMerchant(),
            sleep,
        )
        return Rehearsals(
            self.database, self.vault, self.clock, self.keyring(), self.journal, questions, echo_trial
        )

    async def profile(self) -> ProviderProfile:
        async with self.database.read(self.scope) as session:
            row = (await session.scalars(select(Provider).where(Provider.id == self.scope.provider_id))).one()
        return ProviderProfile.of(row)

    async def set_provider(self, **values: str) -> None:
        async with self.database.write(self.scope) as session:
            await session.execute(
                update(Provider).where(Provider.id == self.scope.provider_id).values(**values)
            )

    async def versions(self, kind: KeyKind) -> dict[int, str]:
        found: Sequence[KeyVersion] = await self.keys.versions(self.scope)
        return {row.version: row.state_at(self.clock.now()) for row in found if row.kind is kind}

    async def put(self, material: KeyMaterial) -> int:
        return (await self.keys.replace(self.scope, material, OWNER)).version

    def pair(
        self, mch_id: str, name: str = "first", serial: int = 0xA1, *, known: bool = True
    ) -> KeyMaterial:
        """Return an API certificate; WeChat knows it unless it is not to."""
        key = rsa_key(f"{mch_id} {name}")
        certificate = certificate_of(key, mch_id, now=self.clock.now(), serial=serial)
        if known:
            self.desk.account(mch_id).certificates[f"{serial:X}"] = key.public_key()
        return client_certificate(
            certificate_pem(certificate), private_pem(key), mch_id=mch_id, now=self.clock.now()
        )

    def platform(
        self, name: str = "old", serial: int = 0xC1, *, begins: float = -4, ends: float = 1
    ) -> Signer:
        """Return a platform certificate valid from `begins` to `ends`, in years from now."""
        now = self.clock.now()
        return platform_signer(name, serial, in_years(now, begins), in_years(now, ends))

    async def equip(self) -> str:
        """Give the provider an API v3 key, an API certificate and an API v2 key that WeChat knows."""
        mch_id = (await self.profile()).mch_id
        account = self.desk.account(mch_id)
        account.v2_key, account.v3_key = V2_KEY, V3_KEY
        await self.put(symmetric_key(KeyKind.API_V2, V2_KEY))
        await self.put(symmetric_key(KeyKind.API_V3, V3_KEY))
        await self.put(self.pair(mch_id))
        return mch_id

    def take_in(
        self,
        mch_id: str,
        signer: Signer,
        sample_id: str,
        kind: Literal["payment", "security"] = "payment",
    ) -> Sample:
        """Let a v3 notification come in and be stored."""
        body, headers = self.desk.notification(mch_id, signer, {"mchid": mch_id})
        sample = Sample(sample_id, kind, self.clock.now(), body, headers)
        self.journal.v3.append(sample)
        return sample


def public_signer(name: str = "public", serial: str = PUBLIC_ID) -> tuple[Signer, bytes]:
    """Return a WeChat Pay public key with its private half, and its PEM."""
    key = rsa_key(f"wechat {name}")
    return Signer(serial, key), public_pem(key)


@pytest.fixture
def vault() -> Vault:
    return Vault([MASTER_KEY])


@pytest.fixture
async def bench(database: Database, vault: Vault, clock: HeldClock) -> Bench:
    house = await build_house(database)
    return Bench(database, vault, clock, house, FakeKeyDesk(clock), Journal())
