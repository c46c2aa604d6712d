"""Heads of the audit chains for keeping outside the database, so that cutting a chain's tail shows (A01).

Whoever can change the database can make a shorter chain that is whole in itself. A head that was printed or
logged earlier says how long it was; its code, made with a key that is not in the database, says that we
wrote it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select

from spcore.audit.models import AuditHead, AuditRow
from spcore.db.engine import Database
from spcore.db.scope import PlatformScope

EVENT = "audit.head"
"""Name of the log event that carries a head."""

_GROUP = 16
Reason = Literal["forged", "gone", "differs"]


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain at some moment. Hashes are hexadecimal, in groups parted by hyphens.

    The groups keep the log's own redaction from taking a hash for a secret.
    """

    chain: str
    seq: int
    hash: str
    mac: str


@dataclass(frozen=True, slots=True)
class HeadFault:
    """A head that the database does not bear out.

    `forged`: the code was not made with our key; `gone`: the chain is shorter now; `differs`: the row is
    another one.
    """

    chain: str
    seq: int
    reason: Reason


class HeadSigner:
    """Makes and checks the code of heads under keys derived from the master keys; the first one makes."""

    def __init__(self, master_keys: Sequence[bytes]) -> None:
        self._keys = [hmac.digest(key, b"wxsp audit heads", "sha256") for key in master_keys]

    def sign(self, chain: str, seq: int, row_hash: str) -> Head:
        return Head(chain, seq, _grouped(row_hash), _grouped(_mac(self._keys[0], chain, seq, row_hash)))

    def is_ours(self, head: Head) -> bool:
        given = _plain(head.mac).encode()
        macs = (_mac(key, head.chain, head.seq, _plain(head.hash)).encode() for key in self._keys)
        return any(hmac.compare_digest(mac, given) for mac in macs)


async def read_heads(database: Database, signer: HeadSigner) -> tuple[Head, ...]:
    """Return the present head of every chain, by the chain's name."""
    query = select(AuditHead.chain, AuditHead.seq, AuditHead.hash).order_by(AuditHead.chain)
    async with database.read(PlatformScope("audit heads")) as session:
        rows = (await session.execute(query)).all()
    return tuple(signer.sign(*row) for row in rows)


def parse_heads(lines: Iterable[str]) -> list[Head]:
    """Return the heads among lines of JSON, such as the log's own; every other line is passed over."""
    heads = []
    for line in lines:
        try:
            found: Any = json.loads(line)
        except ValueError:
            continue
        for each in found.get("heads", [found]) if isinstance(found, dict) else ():
            if (head := _head(each)) is not None:
                heads.append(head)
    return heads


async def check_heads(database: Database, signer: HeadSigner, heads: Sequence[Head]) -> tuple[HeadFault, ...]:
    """Compare heads that were kept elsewhere with the rows of today; return those that do not fit."""
    faults = []
    async with database.read(PlatformScope("audit verify")) as session:
        for head in heads:
            if not signer.is_ours(head):
                faults.append(HeadFault(head.chain, head.seq, "forged"))
                continue
            if head.seq == 0:
                continue
            stored = await session.scalar(
                select(AuditRow.hash).where(AuditRow.chain == head.chain, AuditRow.seq == head.seq)
            )
            if stored is None:
                faults.append(HeadFault(head.chain, head.seq, "gone"))
            elif stored != _plain(head.hash):
                faults.append(HeadFault(head.chain, head.seq, "differs"))
    return tuple(faults)


def _mac(key: bytes, chain: str, seq: int, row_hash: str) -> str:
    content = json.dumps([chain, seq, row_hash], separators=(",", ":")).encode()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _head(found: Any) -> Head | None:
    names = ("chain", "seq", "hash", "mac")
    if not isinstance(found, dict) or not all(name in found for name in names):
        return None
    chain, seq, row_hash, mac = (found[name] for name in names)
    if not (isinstance(seq, int) and all(isinstance(text, str) for text in (chain, row_hash, mac))):
        return None
    return Head(chain, seq, row_hash, mac)


def _grouped(text: str) -> str:
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def _plain(text: str) -> str:
    return text.replace("-", "")
