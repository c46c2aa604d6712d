"""Run inside a network namespace of its own: what the real resolver, dialler and TLS do with hostile names.

The namespace has nothing but its loopback device, which is given public-looking and private addresses; the
hosts file is replaced inside a mount namespace. Prints what happened as JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import socket
import struct
import sys
from pathlib import Path

from tests.support.tls_host import authority

from sptenants.webhooks.connecting import Connector, SystemResolver
from sptenants.webhooks.sender import Sender

PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"
NAMES = {
    "shop.example.com": [PUBLIC],
    "loop.example.com": ["127.0.0.1"],
    "six.example.com": ["::1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "lan.example.com": ["10.9.8.7"],
    "meta.example.com": ["169.254.169.254"],
    "shared.example.com": ["100.64.0.9"],
    "half.example.com": [PUBLIC, "10.9.8.7"],
}
ADDRESSES = [PUBLIC, OTHER, "10.9.8.7", "169.254.169.254", "100.64.0.9"]
_SIOCSIFADDR, _SIOCSIFFLAGS, _UP = 0x8916, 0x8914, 0x41
_MS_BIND = 4096


def prepare() -> None:
    """Raise the loopback device with all addresses, and put our hosts file in the place of the machine's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _UP))
        for number, address in enumerate(ADDRESSES):
            request = struct.pack(
                "16sH2x4s16x", f"lo:{number}".encode(), socket.AF_INET, socket.inet_aton(address)
            )
            fcntl.ioctl(control, _SIOCSIFADDR, request)
    hosts = Path(sys.argv[1])
    hosts.write_text("".join(f"{a} {name}\n" for name, found in NAMES.items() for a in found))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(str(hosts).encode(), b"/etc/hosts", None, _MS_BIND, None) != 0:
        raise OSError(ctypes.get_errno(), "mount")


def opened() -> int:
    """Return how many TCP connections were begun in this namespace: one for each SYN that was sent."""
    names, values = (
        line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("ActiveOpens")])


async def main() -> None:
    prepare()
    met: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 302 Found\r\nLocation: https://meta.example.com/\r\nContent-Length: 0\r\n\r\n"
        )
        writer.close()

    served = authority().serving(*NAMES)
    servers = [
        await asyncio.start_server(answer, address, port, ssl=served)
        for address in ("0.0.0.0", "::1")
        for port in (443, 8443)
    ]
    sender = Sender(authority().trusting(), Connector(SystemResolver()), deadline_s=5)
    found = {}
    for name in NAMES:
        before = opened()
        told = await sender.post(f"https://{name}/hook", {}, b"{}")
        found[name] = [told.outcome.value, told.http_status, opened() - before]
    for server in servers:
        server.close()
        await server.wait_closed()
    print(json.dumps({"found": found, "met": met}))


asyncio.run(main())
