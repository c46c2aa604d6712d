"""Key versions and the keyring: sign with the new at once, verify with the old for 48 hours (K01)."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select
from tests.conftest import HeldClock
from tests.support.house import MASTER_KEY, House, build_house
from tests.support.tampering import dump, execute_unguarded

from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.errors import InvalidInput, NotFound
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from spcore.providers.keys import OVERLAP, PutKey, key_context, put_key
from spcore.providers.models import KeyKind, Provider, ProviderKey
from spcore.vault import Vault

FIRST, SECOND, THIRD = "A" * 32, "B" * 32, "C" * 32


async def put(
    database: Database,
    vault: Vault,
    house: House,
    clock: HeldClock,
    secret: str,
    *,
    kind: KeyKind = KeyKind.API_V2,
    label: str | None = None,
) -> PutKey:
    async with database.write(house.provider) as session:
        return await put_key(
            session,
            vault,
            provider_id=house.provider.provider_id,
            kind=kind,
            secret=secret.encode(),
            now=clock.now(),
            label=label,
        )


async def epoch_of(database: Database, house: House) -> int:
    async with database.read(house.provider) as session:
        epoch = await session.scalar(
            select(Provider.key_epoch).where(Provider.id == house.provider.provider_id)
        )
    assert epoch is not None
    return epoch


async def states(database: Database, house: House, kind: KeyKind = KeyKind.API_V2) -> dict[int, str]:
    query = select(ProviderKey.version, ProviderKey.state).where(
        ProviderKey.provider_id == house.provider.provider_id, ProviderKey.kind == kind.value
    )
    async with database.read(house.provider) as session:
        return {row.version: row.state for row in await session.execute(query)}


async def test_the_same_key_again_changes_nothing(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    assert await put(database, vault, house, clock, FIRST) == PutKey(1, changed=True)
    epoch = await epoch_of(database, house)
    assert await put(database, vault, house, clock, FIRST) == PutKey(1, changed=False)
    assert (await epoch_of(database, house), await states(database, house)) == (epoch, {1: "active"})


async def test_K01_a_new_key_signs_at_once_and_the_old_one_verifies_for_48_hours(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    keyring = Keyring(database, vault, clock)
    await put(database, vault, house, clock, FIRST)
    await put(database, vault, house, clock, SECOND)
    keys = await keyring.v2(house.provider.provider_id, await epoch_of(database, house))
    assert (keys.signing.version, keys.signing.secret) == (2, SECOND)
    assert [key.secret for key in keys.verifying(clock.now())] == [SECOND, FIRST]
    assert FIRST not in repr(keys)
    assert SECOND not in repr(keys)
    last_moment = clock.now() + OVERLAP - timedelta(microseconds=1)
    assert [key.version for key in keys.verifying(last_moment)] == [2, 1]
    assert [key.version for key in keys.verifying(clock.now() + OVERLAP)] == [2]
    assert [keys.version(number) is not None for number in (1, 2, 3)] == [True, True, False]


async def test_K01_a_key_outside_the_overlap_is_retired_by_the_next_change(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    await put(database, vault, house, clock, FIRST)
    await put(database, vault, house, clock, SECOND)
    clock.advance(hours=48)
    await put(database, vault, house, clock, THIRD)
    assert await states(database, house) == {1: "retired", 2: "retiring", 3: "active"}
    keys = await Keyring(database, vault, clock).v2(house.provider.provider_id, 1)
    assert [key.version for key in keys.verifying(clock.now())] == [3, 2]


async def test_K01_changing_back_is_a_new_version_of_the_old_key(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    for secret in (FIRST, SECOND, FIRST):
        await put(database, vault, house, clock, secret)
    keys = await Keyring(database, vault, clock).v2(house.provider.provider_id, 1)
    assert [(key.version, key.secret) for key in keys.verifying(clock.now())] == [
        (3, FIRST),
        (2, SECOND),
        (1, FIRST),
    ]


async def test_two_changes_at_once_give_two_versions_and_one_active_key(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    puts = (put(database, vault, house, clock, character * 32) for character in "DEFGH")
    assert sorted(made.version for made in await asyncio.gather(*puts)) == [1, 2, 3, 4, 5]
    assert sorted((await states(database, house)).values()) == ["active"] + ["retiring"] * 4


async def test_K04_public_keys_of_different_ids_stand_side_by_side(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    kind = KeyKind.WECHATPAY_PUBLIC_KEY
    for secret, label in (
        ("pem one", "PUB_KEY_ID_1"),
        ("pem two", "PUB_KEY_ID_2"),
        ("pem new", "PUB_KEY_ID_1"),
    ):
        await put(database, vault, house, clock, secret, kind=kind, label=label)
    assert not (await put(database, vault, house, clock, "pem two", kind=kind, label="PUB_KEY_ID_2")).changed
    assert await states(database, house, kind) == {1: "retiring", 2: "active", 3: "active"}


@pytest.mark.parametrize(
    "secret", ["", "A" * 31, "A" * 33, " " + "A" * 31, "A" * 31 + "\n", "密" * 32, "a b" * 11]
)
async def test_S1_08_a_key_that_is_not_32_letters_or_digits_is_refused(
    database: Database, vault: Vault, house: House, clock: HeldClock, secret: str
) -> None:
    for kind in (KeyKind.API_V2, KeyKind.API_V3):
        with pytest.raises(InvalidInput) as refusal:
            await put(database, vault, house, clock, secret, kind=kind)
        assert [fault.pointer for fault in refusal.value.faults] == [f"#/{kind.value}"]
        assert not secret.strip() or secret not in str(refusal.value)


async def test_a_key_of_an_unknown_provider_is_refused(
    database: Database, vault: Vault, clock: HeldClock
) -> None:
    nobody = House(ProviderScope("prv_nobody"), ())
    with pytest.raises(NotFound):
        await put(database, vault, nobody, clock, FIRST)


async def test_a_warm_keyring_asks_the_database_nothing_until_the_epoch_moves(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    keyring = Keyring(database, vault, clock)
    await put(database, vault, house, clock, FIRST)
    epoch = await epoch_of(database, house)
    statements: list[str] = []
    for engine in database.engines:
        event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    read = await asyncio.gather(*(keyring.v2(house.provider.provider_id, epoch) for _ in range(20)))
    cold = len(statements)
    again = await keyring.v2(house.provider.provider_id, epoch)
    assert (keyring.loads, len(statements)) == (1, cold)
    assert all(keys is again for keys in read)
    await put(database, vault, house, clock, SECOND)
    renewed = await keyring.v2(house.provider.provider_id, await epoch_of(database, house))
    assert (renewed.signing.secret, keyring.loads) == (SECOND, 2)
    assert await keyring.v2(house.provider.provider_id, epoch) is renewed, (
        "an older request gets the newer keys"
    )


async def test_a_provider_without_a_key_is_not_ready_and_becomes_so(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    keyring = Keyring(database, vault, clock)
    for _ in range(2):
        with pytest.raises(ProviderNotReady) as refusal:
            await keyring.v2(house.provider.provider_id, 1)
    assert refusal.value.code == "provider_not_ready"
    await put(database, vault, house, clock, FIRST)
    keys = await keyring.v2(house.provider.provider_id, await epoch_of(database, house))
    assert keys.signing.secret == FIRST


async def test_K08_with_the_wrong_master_key_the_provider_is_not_ready(
    database: Database, vault: Vault, house: House, clock: HeldClock
) -> None:
    await put(database, vault, house, clock, FIRST)
    with pytest.raises(ProviderNotReady) as refusal:
        await Keyring(database, Vault([b"x" * 32]), clock).v2(house.provider.provider_id, 1)
    assert "WXSP_MASTER_KEY" in refusal.value.text.zh
    assert FIRST not in repr(refusal.value)


async def test_K08_one_undecryptable_record_breaks_its_own_provider_only(
    database: Database, database_url: str, vault: Vault, clock: HeldClock
) -> None:
    broken, whole = await build_house(database, number=1), await build_house(database, number=2)
    for house in (broken, whole):
        await put(database, vault, house, clock, FIRST)
    junk = "decode('00ff', 'hex')" if database.dialect == "postgresql" else "X'00ff'"
    await execute_unguarded(
        database_url,
        f"UPDATE provider_keys SET sealed = {junk} WHERE provider_id = '{broken.provider.provider_id}'",
    )
    keyring = Keyring(database, vault, clock)
    with pytest.raises(ProviderNotReady):
        await keyring.v2(broken.provider.provider_id, 1)
    assert (await keyring.v2(whole.provider.provider_id, 1)).signing.secret == FIRST


async def test_A08_a_key_copied_into_another_providers_row_does_not_open(
    database: Database, database_url: str, vault: Vault, clock: HeldClock
) -> None:
    mine, other = await build_house(database, number=1), await build_house(database, number=2)
    await put(database, vault, mine, clock, FIRST)
    await put(database, vault, other, clock, SECOND)
    copied = f"(SELECT sealed FROM provider_keys WHERE provider_id = '{mine.provider.provider_id}')"
    await execute_unguarded(
        database_url,
        f"UPDATE provider_keys SET sealed = {copied} WHERE provider_id = '{other.provider.provider_id}'",
    )
    with pytest.raises(ProviderNotReady):
        await Keyring(database, vault, clock).v2(other.provider.provider_id, 1)


async def test_A03_a_stolen_database_holds_no_usable_key(
    database: Database, database_url: str, vault: Vault, house: House, clock: HeldClock, tmp_path: Path
) -> None:
    canary = "CanaryCanaryCanaryCanaryCanary32"
    await put(database, vault, house, clock, canary)
    stolen = await dump(database_url)
    assert house.provider.provider_id.encode() in stolen
    for form in (canary.encode(), canary.encode().hex().encode(), base64.b64encode(canary.encode())):
        assert form not in stolen
    assert MASTER_KEY not in stolen
    assert MASTER_KEY.hex().encode() not in stolen


def test_K10_the_place_of_a_key_names_its_owner_kind_and_version() -> None:
    context = key_context("prv_1", "api_v2_key", 3)
    assert (context.provider_id, context.tenant_id, context.kind, context.version) == (
        "prv_1",
        None,
        "api_v2_key",
        3,
    )
