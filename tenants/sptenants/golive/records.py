"""Trials, certificates and what is missing before going live, as the rest of the program reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from spcore.errors import Text
from sptenants.golive.models import CertificateRow, TrialRow

LampState = Literal["ok", "wait", "bad", "none"]
"""`wait`: not yet; `bad`: it came out wrong; `none`: there is nothing to wait for."""
TrialState = Literal["open", "passed", "stopped"]
_STATES: Mapping[str, TrialState] = {"open": "open", "passed": "passed", "stopped": "stopped"}


@dataclass(frozen=True, slots=True)
class Lamp:
    """One step of a trial: ordered, paid, notified, webhook, refunded, refund confirmed, in WeChat's bill."""

    code: str
    title: Text
    state: LampState
    at: datetime | None = None
    note: Text | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial payment with its lamps. `payable`: whether its code can still be scanned."""

    id: str
    provider_id: str
    tenant_id: str
    binding_id: str
    slot: int
    sub_appid: str
    order_id: str
    state: TrialState
    begun_at: datetime
    begun_by: str
    finished_at: datetime | None
    lamps: tuple[Lamp, ...]
    payable: bool
    refundable: bool
    certificate_id: str | None

    @classmethod
    def of(
        cls,
        row: TrialRow,
        lamps: tuple[Lamp, ...],
        *,
        payable: bool,
        refundable: bool,
        certificate_id: str | None,
    ) -> Trial:
        return cls(
            id=row.id,
            provider_id=row.provider_id,
            tenant_id=row.tenant_id,
            binding_id=row.binding_id,
            slot=row.slot,
            sub_appid=row.sub_appid,
            order_id=row.order_id,
            state=_STATES[row.state],
            begun_at=row.begun_at,
            begun_by=row.begun_by,
            finished_at=row.finished_at,
            lamps=lamps,
            payable=payable and row.state == "open",
            refundable=refundable and row.state == "open",
            certificate_id=certificate_id,
        )

    @property
    def is_open(self) -> bool:
        return self.state == "open"


@dataclass(frozen=True, slots=True)
class Cashier:
    """What pays a trial: the text of the code to scan."""

    code_url: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a trial proved, with the hashes it rests on."""

    id: str
    tenant_id: str
    binding_id: str
    slot: int
    sub_appid: str
    trial_id: str
    issued_at: datetime
    evidence: Mapping[str, Any]
    digest: str

    @classmethod
    def of(cls, row: CertificateRow) -> Certificate:
        return cls(
            row.id,
            row.tenant_id,
            row.binding_id,
            row.slot,
            row.sub_appid,
            row.trial_id,
            row.issued_at,
            row.evidence,
            row.digest,
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that has to be so before a sub-merchant goes live."""

    code: str
    met: bool
    text: Text
