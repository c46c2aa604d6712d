"""The vault: secrets open in their own place, under a known master key, and nowhere else (C5)."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spcore.vault import SealContext, Vault, VaultError

OLD, NEW = b"o" * 32, b"n" * 32
PLACE = SealContext("prv_1", "ten_1", "app_secret", 1)


@given(st.binary(max_size=4096))
def test_C5_what_was_sealed_opens_again(plain: bytes) -> None:
    vault = Vault([OLD])
    sealed = vault.seal(plain, PLACE)
    assert vault.open(sealed, PLACE) == plain
    assert len(plain) < 8 or plain not in sealed


@pytest.mark.parametrize(
    "change",
    [
        {"provider_id": "prv_2"},
        {"tenant_id": "ten_2"},
        {"tenant_id": None},
        {"kind": "api_v2_key"},
        {"version": 2},
        {"provider_id": 'prv_1","ten_1', "tenant_id": "x"},
    ],
)
def test_A08_a_secret_pasted_into_another_place_does_not_open(change: dict[str, object]) -> None:
    vault = Vault([OLD])
    sealed = vault.seal(b"secret", PLACE)
    elsewhere = dataclasses.replace(PLACE, **change)  # type: ignore[arg-type]
    with pytest.raises(VaultError) as refusal:
        vault.open(sealed, elsewhere)
    assert refusal.value.reason == "does_not_open"
    with pytest.raises(VaultError):
        vault.rewrap(sealed, elsewhere)


def test_C5_every_single_byte_is_protected() -> None:
    vault = Vault([OLD])
    sealed = vault.seal(b"secret", PLACE)
    for position in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[position] ^= 1
        with pytest.raises(VaultError):
            vault.open(bytes(damaged), PLACE)


def test_C5_parts_of_two_records_of_one_place_cannot_be_combined() -> None:
    vault = Vault([OLD])
    one, other = vault.seal(b"secret", PLACE), vault.seal(b"terces", PLACE)
    body = len(one) - 12 - len(b"secret") - 16
    with pytest.raises(VaultError):
        vault.open(one[:body] + other[body:], PLACE)


@pytest.mark.parametrize("sealed", [b"", b"secret", b"\x01" * 20, b"\x02" + b"\x00" * 200])
def test_K08_plain_or_foreign_bytes_are_refused_and_never_taken_as_they_are(sealed: bytes) -> None:
    for use in (Vault([OLD]).open, Vault([OLD]).rewrap):
        with pytest.raises(VaultError) as refusal:
            use(sealed, PLACE)
        assert refusal.value.reason == "malformed"


def test_K08_the_wrong_master_key_is_told_apart_from_damage() -> None:
    sealed = Vault([OLD]).seal(b"canary", PLACE)
    with pytest.raises(VaultError) as refusal:
        Vault([NEW]).open(sealed, PLACE)
    assert refusal.value.reason == "unknown_master_key"
    assert "canary" not in str(refusal.value)


def test_K09_records_stay_readable_while_a_new_master_key_takes_over() -> None:
    records = [Vault([OLD]).seal(b"secret", PLACE) for _ in range(3)]
    both = Vault([NEW, OLD])
    records[0] = both.rewrap(records[0], PLACE)  # and here the process is killed
    assert [both.open(sealed, PLACE) for sealed in records] == [b"secret"] * 3
    assert [both.needs_rewrap(sealed) for sealed in records] == [False, True, True]
    records = [both.rewrap(sealed, PLACE) if both.needs_rewrap(sealed) else sealed for sealed in records]
    assert [Vault([NEW]).open(sealed, PLACE) for sealed in records] == [b"secret"] * 3


def test_K09_rewrapping_twice_changes_nothing_for_the_reader() -> None:
    both = Vault([NEW, OLD])
    twice = both.rewrap(both.rewrap(Vault([OLD]).seal(b"secret", PLACE), PLACE), PLACE)
    assert both.open(twice, PLACE) == b"secret"


def test_K10_no_two_records_share_a_nonce_a_data_key_or_a_byte_of_ciphertext() -> None:
    vault = Vault([OLD])
    sealed = [vault.seal(b"the same secret", PLACE) for _ in range(500)]
    assert len({record[9:21] for record in sealed}) == 500
    assert len({record[21:69] for record in sealed}) == 500
    assert len({record[69:81] for record in sealed}) == 500
    assert len({record[81:] for record in sealed}) == 500


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 31], [OLD, b"x" * 33]])
def test_a_vault_needs_whole_master_keys(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


def test_a_vault_shows_no_key() -> None:
    assert repr(Vault([OLD, NEW])) == "Vault(2 master keys)"
