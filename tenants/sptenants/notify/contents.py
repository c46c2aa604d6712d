"""What is inside a stored notification of API v3, for the people of its provider: opened anew, never stored.

Stored is only what WeChat sent, encrypted; so a key that is gone takes the content with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spcore.clock import Clock
from spcore.providers.errors import ProviderNotReady
from spcore.providers.keyring import Keyring
from sptenants.notify.records import NotificationRecord
from sptenants.registry.door import Door
from wechatpay.credentials import ApiV3Key
from wechatpay.v3 import aead, document
from wechatpay.v3.document import MalformedJson

Fields = tuple[tuple[str, str], ...]


class Contents:
    """Opens stored messages with the keys of today. Whoever shows a field masks it first (rule C6 a)."""

    def __init__(self, door: Door, keyring: Keyring, clock: Clock) -> None:
        self._door = door
        self._keyring = keyring
        self._clock = clock

    async def of(self, record: NotificationRecord) -> Fields | None:
        """Return the fields inside, by dotted names; None for v2 and for what no key of ours opens."""
        resource = _resource(record)
        owner = await self._door.by_tenant_id(record.scope.tenant_id) if resource else None
        if resource is None or owner is None:
            return None
        provider, _tenant = owner
        try:
            keys = (await self._keyring.v3(provider.id, provider.key_epoch)).opening(self._clock.now())
        except ProviderNotReady:
            return None
        return _opened(resource, keys)


def fields_of(body: bytes) -> Fields | None:
    """Return what stands around the encrypted part, by dotted names; None for what is no JSON of API v3."""
    try:
        return tuple(_flat(document.parse(body)))
    except MalformedJson:
        return None


def _resource(record: NotificationRecord) -> Mapping[str, Any] | None:
    if record.row.version != "v3" or record.row.result == "rejected":
        return None
    try:
        resource = document.parse(record.body).get("resource")
    except MalformedJson:
        return None
    return resource if isinstance(resource, dict) else None


def _opened(resource: Mapping[str, Any], keys: Sequence[ApiV3Key]) -> Fields | None:
    sealed = [str(resource.get(name, "")) for name in ("nonce", "associated_data", "ciphertext")]
    for key in keys:
        plain = aead.opened(key, *sealed)
        if plain is not None:
            return fields_of(plain)
    return None


def _flat(values: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{within}{name}.")
        elif isinstance(value, list):
            for place, each in enumerate(value, start=1):
                inner = each if isinstance(each, dict) else {"": each}
                yield from _flat(inner, f"{within}{name}.{place}.")
        else:
            yield f"{within}{name}", value if isinstance(value, str) else str(value)
