"""What goes in and out of the routes of doctor and going live (contract section 5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sptenants.doctor.rows import DoctorReport, DoctorRow
from sptenants.registry.schemas import wire_time

Language = Literal["zh", "en"]
_TIME = Meta(examples=["2026-11-21T14:32:08+08:00"])


class Diagnostic(msgspec.Struct, frozen=True):
    """One row of the doctor, as console and command line show it."""

    code: Annotated[str, Meta(description="检查项", examples=["sub_mch.relation"])]
    level: Annotated[str, Meta(description="pass warn fail unchecked", examples=["pass"])]
    title: Annotated[str, Meta(examples=["特约商户受理关系"])]
    cause: str | None
    repair: str | None
    who: Annotated[
        str, Meta(description="provider merchant developer wechat platform", examples=["provider"])
    ]
    binding_id: str | None
    sub_appid: str | None
    checked_at: Annotated[datetime | None, _TIME]
    evidence_id: Annotated[str | None, Meta(examples=["run_01JD3K8W7Q4M6X0B2T9V5H1CZN"])]

    @classmethod
    def of(cls, row: DoctorRow, language: Language) -> Diagnostic:
        return cls(
            code=row.code,
            level=row.level.value,
            title=getattr(row.title, language),
            cause=getattr(row.cause, language) if row.cause else None,
            repair=getattr(row.repair, language) if row.repair else None,
            who=row.who,
            binding_id=row.binding_id,
            sub_appid=row.about,
            checked_at=wire_time(row.checked_at) if row.checked_at else None,
            evidence_id=row.evidence_id,
        )


class Diagnostics(msgspec.Struct, frozen=True):
    """Everything known about one sub-merchant; `ran_at` is when the doctor last looked."""

    level: Annotated[str, Meta(description="最差一级", examples=["pass"])]
    ran_at: Annotated[datetime | None, _TIME]
    data: list[Diagnostic]
    object: Literal["diagnostics"] = "diagnostics"

    @classmethod
    def of(cls, report: DoctorReport, language: Language) -> Diagnostics:
        return cls(
            level=report.worst.value,
            ran_at=wire_time(report.ran_at) if report.ran_at else None,
            data=[Diagnostic.of(row, language) for row in report.rows],
        )


class GoLiveWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing, or why what is missing is overruled."""

    override_reason: Annotated[
        Annotated[str, Meta(max_length=200)] | None,
        Meta(description="跳过未满足条件的原因，写入操作日志", examples=["已在线下完成试付"]),
    ] = None
