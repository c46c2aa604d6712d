"""What an API key may do, and from which addresses (console-and-api-design section 9).

Every route for keys names the one right it needs; the door compares. A key of old has no list and may do
everything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from spcore.errors import Fault, Text
from spcore.settings import Network
from sptenants.registry.errors import Forbidden

MAX_NETWORKS = 20
"""Of one key: a longer list is a sign of a proxy that should be named instead."""


class Right(StrEnum):
    """`orders:read` reads whatever the key's tenant has, also refunds, events and deliveries."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    REFUNDS_WRITE = "refunds:write"
    WEBHOOKS_WRITE = "webhooks:write"
    TENANTS_WRITE = "tenants:write"
    """Onboarding of sub-merchants: of use to a service provider's own key only."""


OF_TENANT_KEYS = (Right.ORDERS_READ, Right.ORDERS_WRITE, Right.REFUNDS_WRITE, Right.WEBHOOKS_WRITE)
OF_PROVIDER_KEYS = tuple(Right)


@dataclass(frozen=True, slots=True)
class Use:
    """What a request wants of its key: the right its route declares, and the address it comes from."""

    right: str
    peer: str


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a new key is limited to; None limits nothing."""

    rights: Sequence[str] | None = None
    networks: Sequence[str] | None = None


NO_LIMITS = KeyLimits()


def require(rights: Sequence[str] | None, networks: Sequence[str] | None, use: Use) -> None:
    """Raise Forbidden where the key may not be used from the address, or lacks the right.

    Both are 403 and not 401: the key is genuine, and a new one would not help. A stolen key says nothing
    more to its thief than that it is of no use here.
    """
    if networks is not None and not _covers(networks, use.peer):
        raise Forbidden(_wrong_address(use.peer))
    if rights is not None and use.right not in rights:
        raise Forbidden(_missing_right(use.right))


def rights_faults(rights: Sequence[str] | None, offered: Sequence[Right], pointer: str) -> list[Fault]:
    """Return what is wrong with the rights chosen for a key."""
    if rights is None:
        return []
    if not rights:
        return [Fault(pointer, "empty", _NO_RIGHT)]
    if set(rights) - {right.value for right in offered}:
        return [Fault(pointer, "unknown_value", _unknown_right(offered))]
    return []


def read_networks(typed: str, pointer: str) -> tuple[list[str] | None, list[Fault]]:
    """Read addresses and networks that a person typed, separated by blanks, commas or line ends.

    Returns them in CIDR notation, None when nothing was typed, and what is wrong. Bits behind the prefix are
    cut off, so that `10.0.0.7/24` means its network.
    """
    parts = typed.replace(",", " ").replace("，", " ").split()
    if not parts:
        return None, []
    read: list[Network] = []
    for part in parts:
        try:
            read.append(ipaddress.ip_network(part, strict=False))
        except ValueError:
            return None, [Fault(pointer, "invalid_format", _unreadable_network(part))]
    if len(read) > MAX_NETWORKS:
        return None, [Fault(pointer, "too_many", _TOO_MANY_NETWORKS)]
    return list(dict.fromkeys(str(network) for network in read)), []


def _covers(networks: Sequence[str], peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network) for network in networks)


def _wrong_address(peer: str) -> Text:
    return Text(
        f"该 API 密钥不允许从地址 {peer} 使用：请在密钥的 IP 白名单中加入它，或从名单内的地址调用。",
        f"This API key may not be used from {peer}: add the address to the key's allow list, or call from one"
        " that is on it.",
    )


def _missing_right(right: str) -> Text:
    return Text(
        f"该 API 密钥缺少权限 {right}：请使用有此权限的密钥，或新建一个。",
        f"This API key lacks the right {right}: use a key that has it, or make a new one.",
    )


def _unknown_right(offered: Sequence[Right]) -> Text:
    return Text(f"须为以下之一：{'、'.join(offered)}。", f"must be one of: {', '.join(offered)}.")


def _unreadable_network(part: str) -> Text:
    return Text(
        f"“{part[:64]}”不是 IP 地址或网段，请写成 203.0.113.7 或 203.0.113.0/24。",
        f"“{part[:64]}” is no address or network; write 203.0.113.7 or 203.0.113.0/24.",
    )


_NO_RIGHT = Text("至少选择一项权限。", "must name at least one right.")
_TOO_MANY_NETWORKS = Text(
    f"最多 {MAX_NETWORKS} 个地址或网段。", f"must name at most {MAX_NETWORKS} addresses or networks."
)
