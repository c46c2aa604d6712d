"""`wxsp provider`: a service provider's keys."""

from __future__ import annotations

from typing import BinaryIO

import click

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import ProviderScope
from spcore.errors import Fault, InvalidInput, Text
from spcore.providers.certificates import MAX_PEM_BYTES
from spcore.providers.keys import PutKey
from spcore.providers.rotation import Origin

_SECOND_BLOCK = b"-----BEGIN"


@click.group()
def provider() -> None:
    """服务商 service providers."""


@provider.command()
@click.option("--provider", "provider_id", required=True, help="服务商 the service provider: prv_…")
@click.option(
    "--kind",
    type=click.Choice(["api_v2", "certificate"]),
    required=True,
    help="API v2 密钥，或 API 证书 the key, or the certificate followed by its key in PEM",
)
@click.argument("file", type=click.File("rb"))
@as_json
def rotate(provider_id: str, kind: str, file: BinaryIO, as_json: bool) -> None:
    """更换密钥或证书 replace a key by what FILE (or `-`, standard input) holds.

    旧密钥再验签 48 小时 the one before verifies for 48 hours more.
    """
    given = file.read(2 * MAX_PEM_BYTES + 1)

    async def work(services: Services) -> PutKey:
        scope, keys, origin = ProviderScope(provider_id), services.provider_keys, Origin(CLI)
        if kind == "api_v2":
            return await keys.replace_v2_key(scope, given.decode("latin-1").rstrip("\r\n"), origin)
        return await keys.replace_certificate(scope, *_pair(given), origin)

    put = run(work)
    answer = {"provider_id": provider_id, "kind": kind, "version": put.version, "changed": put.changed}
    words = "已更换 replaced" if put.changed else "与现用的相同，未更改 the same as before, nothing changed"
    show(answer, machine=as_json, human=f"{provider_id} {kind} v{put.version} {words}")


def _pair(given: bytes) -> tuple[bytes, bytes]:
    """Return certificate and key, in whichever order the file has them. Raises InvalidInput."""
    at = given.find(_SECOND_BLOCK, given.find(_SECOND_BLOCK) + 1)
    if at < 0:
        raise InvalidInput(Fault("FILE", "not_pem", _TWO_BLOCKS))
    first, second = given[:at], given[at:]
    return (second, first) if b"PRIVATE KEY" in first.split(b"\n", 1)[0] else (first, second)


_TWO_BLOCKS = Text(
    "须含证书与私钥两个 PEM 段（-----BEGIN CERTIFICATE----- 与 -----BEGIN PRIVATE KEY-----）",
    "must hold two PEM blocks, the certificate and its private key.",
)
