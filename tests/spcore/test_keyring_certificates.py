"""A provider's API certificate from the keyring: its own, its newest, not expired (F09, K05, K08)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from sqlalchemy import select
from tests.conftest import HeldClock
from tests.support.certificates import certificate_of, certificate_pem, private_pem, rsa_key
from tests.support.house import House, build_house
from tests.support.tampering import execute_unguarded

from spcore.db.engine import Database
from spcore.providers.certificates import check_client_certificate, split_bundle
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.keys import put_key
from spcore.providers.models import KeyKind, Provider
from spcore.vault import Vault


def made(mch_id: str, now: datetime, *, name: str = "first", serial: int = 0xA1) -> tuple[bytes, bytes]:
    key = rsa_key(f"{mch_id} {name}")
    return certificate_pem(certificate_of(key, mch_id, now=now, serial=serial)), private_pem(key)


async def put(
    database: Database, vault: Vault, house: House, clock: HeldClock, pair: tuple[bytes, bytes]
) -> int:
    """Store a certificate as an import does, and return the provider's epoch."""
    scope = house.provider
    async with database.write(scope) as session:
        mch_id = await session.scalar(select(Provider.mch_id).where(Provider.id == scope.provider_id))
        checked = check_client_certificate(*pair, mch_id=mch_id or "", now=clock.now())
        await put_key(
            session,
            vault,
            provider_id=scope.provider_id,
            kind=KeyKind.CLIENT_CERTIFICATE,
            secret=checked.bundle,
            now=clock.now(),
            label=checked.serial,
            not_after=checked.not_after,
        )
        epoch = await session.scalar(select(Provider.key_epoch).where(Provider.id == scope.provider_id))
    assert epoch is not None
    return epoch


async def mch_id_of(database: Database, house: House) -> str:
    async with database.read(house.provider) as session:
        found = await session.scalar(select(Provider.mch_id).where(Provider.id == house.provider.provider_id))
    assert found is not None
    return found


async def test_the_certificate_is_opened_once_and_then_at_hand(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    pair = made(await mch_id_of(database, house), clock.now())
    epoch = await put(database, vault, house, clock, pair)
    keyring = Keyring(database, vault, clock)
    certificate = await keyring.certificate(house.provider.provider_id, epoch)
    assert (certificate.version, certificate.serial) == (1, "A1")
    assert certificate.cert_pem == pair[0]
    assert x509.load_pem_x509_certificate(certificate.cert_pem).serial_number == 0xA1
    assert await keyring.certificate(house.provider.provider_id, epoch) is certificate
    assert keyring.loads == 1


async def test_a_new_epoch_brings_the_new_certificate(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    mch_id = await mch_id_of(database, house)
    keyring = Keyring(database, vault, clock)
    first = await put(database, vault, house, clock, made(mch_id, clock.now()))
    await keyring.certificate(house.provider.provider_id, first)
    second = await put(database, vault, house, clock, made(mch_id, clock.now(), name="second", serial=0xA2))
    certificate = await keyring.certificate(house.provider.provider_id, second)
    assert (certificate.version, certificate.serial) == (2, "A2")


async def test_F09_each_provider_has_its_own_and_no_other(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    epoch = await put(database, vault, house, clock, made(await mch_id_of(database, house), clock.now()))
    other = await build_house(database, number=2)
    keyring = Keyring(database, vault, clock)
    await keyring.certificate(house.provider.provider_id, epoch)
    with pytest.raises(ProviderNotReady) as refusal:
        await keyring.certificate(other.provider.provider_id, epoch)
    assert "client_cert_pem" in refusal.value.text.zh


async def test_K05_an_expired_certificate_is_refused_with_what_to_do(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    epoch = await put(database, vault, house, clock, made(await mch_id_of(database, house), clock.now()))
    keyring = Keyring(database, vault, clock)
    clock.moment += timedelta(days=365) - timedelta(seconds=1)
    await keyring.certificate(house.provider.provider_id, epoch)
    clock.advance(seconds=1)
    with pytest.raises(ProviderNotReady) as refusal:
        await keyring.certificate(house.provider.provider_id, epoch)
    assert "过期" in refusal.value.text.zh


async def test_K08_a_damaged_certificate_is_refused_and_never_guessed(
    database: Database, database_url: str, vault: Vault, house: House, clock: HeldClock
) -> None:
    epoch = await put(database, vault, house, clock, made(await mch_id_of(database, house), clock.now()))
    await execute_unguarded(
        database_url, "UPDATE provider_keys SET not_after = NULL WHERE kind = 'client_certificate'"
    )
    with pytest.raises(ProviderNotReady):
        await Keyring(database, vault, clock).certificate(house.provider.provider_id, epoch)
    stranger = Vault([b"\x07" * 32])
    with pytest.raises(ProviderNotReady) as refusal:
        await Keyring(database, stranger, clock).certificate(house.provider.provider_id, epoch)
    assert "WXSP_MASTER_KEY" in refusal.value.text.zh


@pytest.mark.parametrize(
    "order",
    [
        pytest.param("k", id="key alone"),
        pytest.param("c", id="certificate alone"),
        pytest.param("kc", id="the wrong way round"),
        pytest.param("cck", id="two certificates"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_bundle_is_one_certificate_and_its_key(order: str) -> None:
    cert, key = made("1900000109", datetime.fromisoformat("2026-11-21T12:50:00+00:00"))
    assert split_bundle(cert + key) == (cert, key)
    with pytest.raises(ValueError, match="certificate"):
        split_bundle(b"".join({"c": cert, "k": key}[part] for part in order))
