"""The caller's address: the connection's, unless a proxy we trust says better (WXSP_TRUSTED_PROXIES)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

UNKNOWN = "0.0.0.0"  # noqa: S104 - a value for "no address", nothing is bound to it


def peer_address(client: str | None, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """Return the nearest address that is not a trusted proxy.

    `forwarded_for` is `X-Forwarded-For`; it is read from the right, because everything left of the first
    address that we do not trust was written by that stranger.
    """
    nearest = _plain(client) or UNKNOWN
    hops = [part.strip() for part in forwarded_for.split(",")] if forwarded_for else []
    while hops and _is_trusted(nearest, trusted):
        hop = _plain(hops.pop())
        if hop is None:
            break
        nearest = hop
    return nearest


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    return any(ip_address(address) in network for network in trusted)


def _plain(text: str | None) -> str | None:
    """Return `text` as an address; an IPv4 address inside an IPv6 one comes out as IPv4."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
