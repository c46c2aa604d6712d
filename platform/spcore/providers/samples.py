"""Stored notifications by which a candidate is tried (acceptance B-13): the port to who keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol

from spcore.db.scope import ProviderScope
from wechatpay.credentials import SignType


@dataclass(frozen=True, slots=True)
class Sample:
    """One notification as it came in. It stays inside the server: it holds a signature (rule C6 a).

    `id` is its number in the journal. `headers` are those of API v3, by lower-case names; none for v2.
    `sign_type` is the algorithm of the order it speaks of, v2 alone; None when there is no such order.
    """

    id: str
    kind: Literal["payment", "refund", "security"]
    received_at: datetime
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    sign_type: SignType | None = None


class Samples(Protocol):
    async def last(self, scope: ProviderScope, version: Literal["v2", "v3"], limit: int) -> Sequence[Sample]:
        """Return the newest notifications of a provider and all its tenants, the newest first.

        Those that were found genuine, and those that no key of ours verified or opened: a candidate may.
        """
        ...
