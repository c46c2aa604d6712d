"""The shop's keys: several versions, a candidate with its rehearsal, and who signed what over a week.

The first provider is in the middle of the move from platform certificates to a public key; the second one
still lives by certificates, and both its own and WeChat's end soon.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert
from tests.support.certificates import certificate_of, certificate_pem, private_pem, public_pem, rsa_key
from tests.support.house import MASTER_KEY

from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope
from spcore.ids import new_id
from spcore.providers.keys import key_row
from spcore.providers.models import CertificateFetch, KeyKind, KeyRehearsal, KeyState, KeyUse, ProviderKey
from spcore.vault import Vault

PUBLIC_KEY_ID = "PUB_KEY_ID_0119000001092026112100111101000000"
OLD_SERIAL = "5AC10F2E3D4B5C6978A9BACBDCEDFE0F1A2B3C4D"
NEW_SERIAL = "6A0F1E2D3C4B5A69788796A5B4C3D2E1F0A1B2C3"
ENDED_SERIAL = "4D3C2B1A0F9E8D7C6B5A49382716F5E4D3C2B1A0"
"""Retired by hand: it can be taken back."""
OTHER_SERIAL = "7B1C2D3E4F5061728394A5B6C7D8E9F0A1B2C3D4"
CANDIDATE_VERSION, CANDIDATE_HINT = 9, "c4nd"
_SHARES = (0, 0, 1, 5, 20, 50, 80)
"""The public key's share of notifications in percent, the oldest day first."""


async def add_keys(
    database: Database, providers: list[ProviderScope], now: datetime, mch_ids: tuple[str, str]
) -> None:
    """Give two providers keys of every kind beside the API v2 keys they have."""
    first, second = providers
    vault = Vault([MASTER_KEY])
    await _store(database, first, [*_first_keys(vault, first, now, mch_ids[0])])
    await _store(database, second, [*_second_keys(vault, second, now, mch_ids[1])])
    async with database.write(first) as session:
        await session.execute(insert(table_of(KeyRehearsal)), [_rehearsal(first, now)])
        await session.execute(insert(table_of(KeyUse)), [*_uses(first, now)])
        await session.execute(insert(table_of(CertificateFetch)), [_fetch(first, now, "fetched", 2)])
    async with database.write(second) as session:
        row = _use(second, now, "notification", KeyKind.PLATFORM_CERTIFICATE, OTHER_SERIAL, 12)
        await session.execute(insert(table_of(KeyUse)), [row])
        await session.execute(insert(table_of(CertificateFetch)), [_fetch(second, now, "timeout", 0)])


def _first_keys(vault: Vault, scope: ProviderScope, now: datetime, mch_id: str) -> Iterator[dict[str, Any]]:
    def row(kind: KeyKind, version: int, state: KeyState, secret: bytes, **more: Any) -> dict[str, Any]:
        since = now - timedelta(days=40 - version)
        label, ends = more.pop("label", None), more.pop("not_after", None)
        made = key_row(
            vault, scope.provider_id, kind, version, state, secret, since, label=label, not_after=ends
        )
        return made | more

    until = now + timedelta(days=5)
    yield row(
        KeyKind.API_V2,
        CANDIDATE_VERSION,
        KeyState.CANDIDATE,
        b"v2" * 14 + CANDIDATE_HINT.encode(),
        created_at=now,
    )
    yield row(KeyKind.API_V3, 1, KeyState.RETIRING, b"old3" * 8, verify_until=until)
    yield row(KeyKind.API_V3, 2, KeyState.ACTIVE, b"new3" * 8)
    ends = now + timedelta(days=200)
    pair = _bundle(mch_id, now, 200, 0x5157F00D)
    yield row(KeyKind.CLIENT_CERTIFICATE, 1, KeyState.ACTIVE, pair, label="5157F00D", not_after=ends)
    pem = public_pem(rsa_key("ours"))
    yield row(KeyKind.WECHATPAY_PUBLIC_KEY, 1, KeyState.ACTIVE, pem, label=PUBLIC_KEY_ID)
    active, retired = KeyState.ACTIVE, KeyState.RETIRED
    of_wechat = ((OLD_SERIAL, 9, active), (NEW_SERIAL, 1800, active), (ENDED_SERIAL, 1500, retired))
    for version, (serial, days, state) in enumerate(of_wechat, start=1):
        yield row(
            KeyKind.PLATFORM_CERTIFICATE,
            version,
            state,
            _platform_certificate(now, days, serial),
            label=serial,
            not_after=now + timedelta(days=days),
        )


def _second_keys(vault: Vault, scope: ProviderScope, now: datetime, mch_id: str) -> Iterator[dict[str, Any]]:
    for kind, secret, label, days in (
        (KeyKind.API_V3, b"huit" * 8, None, None),
        (KeyKind.CLIENT_CERTIFICATE, _bundle(mch_id, now, 18, 0x5157BEEF), "5157BEEF", 18),
        (KeyKind.PLATFORM_CERTIFICATE, _platform_certificate(now, 6, OTHER_SERIAL), OTHER_SERIAL, 6),
    ):
        ends = now + timedelta(days=days) if days else None
        yield key_row(
            vault, scope.provider_id, kind, 1, KeyState.ACTIVE, secret, now, label=label, not_after=ends
        )


def _bundle(mch_id: str, now: datetime, days: int, serial: int) -> bytes:
    key = rsa_key("ours")
    made = certificate_of(key, mch_id, now=now, days=days, serial=serial)
    return certificate_pem(made) + private_pem(key)


def _platform_certificate(now: datetime, days: int, serial: str) -> bytes:
    made = certificate_of(rsa_key("ours"), "Tenpay.com sign", now=now, days=days, serial=int(serial, 16))
    return certificate_pem(made)


def _rehearsal(scope: ProviderScope, now: datetime) -> dict[str, Any]:
    ran_at = now - timedelta(minutes=4)
    samples = [[new_id("ntf", ran_at), "old"] for _ in range(37)] + [[new_id("ntf", ran_at), "neither"]]
    return {
        "provider_id": scope.provider_id,
        "id": new_id("reh", ran_at),
        "kind": KeyKind.API_V2.value,
        "version": CANDIDATE_VERSION,
        "tried": len(samples),
        "passed": 0,
        "asked": "accepted",
        "result": "passed",
        "facts": {
            "question": "orderquery",
            "code": "ORDERNOTEXIST",
            "looks_like": None,
            "samples": samples,
        },
        "ran_by": "王敏",
        "ran_at": ran_at,
    }


def _uses(scope: ProviderScope, now: datetime) -> Iterator[dict[str, Any]]:
    for place, share in enumerate(_SHARES):
        at = now - timedelta(days=len(_SHARES) - 1 - place)
        answered = KeyKind.WECHATPAY_PUBLIC_KEY if place > 1 else KeyKind.PLATFORM_CERTIFICATE
        serial = PUBLIC_KEY_ID if place > 1 else OLD_SERIAL
        yield _use(scope, at, "answer", answered, serial, 4_000 + 137 * place)
        if share:
            yield _use(scope, at, "notification", KeyKind.WECHATPAY_PUBLIC_KEY, PUBLIC_KEY_ID, 20 * share)
        yield _use(scope, at, "notification", KeyKind.PLATFORM_CERTIFICATE, OLD_SERIAL, 20 * (100 - share))
    yield _use(scope, now, "notification", KeyKind.API_V3, "2", 1_500)
    yield _use(scope, now - timedelta(days=2), "notification", KeyKind.API_V3, "1", 3)


def _use(
    scope: ProviderScope, at: datetime, channel: str, kind: KeyKind, name: str, uses: int
) -> dict[str, Any]:
    return {
        "provider_id": scope.provider_id,
        "channel": channel,
        "kind": kind.value,
        "name": name,
        "hour": at.replace(minute=0, second=0, microsecond=0),
        "uses": uses,
        "last_at": at,
    }


def _fetch(scope: ProviderScope, now: datetime, result: str, found: int) -> dict[str, Any]:
    done = result == "fetched"
    return {
        "provider_id": scope.provider_id,
        "asked_at": now - timedelta(minutes=35),
        "succeeded_at": now - timedelta(minutes=35) if done else now - timedelta(hours=26),
        "result": result,
        "found": found,
    }


async def _store(database: Database, scope: ProviderScope, rows: list[dict[str, Any]]) -> None:
    async with database.write(scope) as session:
        await session.execute(insert(table_of(ProviderKey)), rows)
