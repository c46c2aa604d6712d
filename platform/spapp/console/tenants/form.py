"""The forms of a tenant's page: its life, its limits and policies, its fee rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from spapp.console.frame.forms import field as text_of
from spapp.web.i18n import N_
from spcore.errors import Fault, InvalidInput, Text
from sptenants.reconciliation.rates import rate_faults
from sptenants.registry.caller import TenantProfile
from sptenants.registry.reader import TenantDetail
from sptenants.registry.rules import TenantStatus
from wechatpay.bills import Rate

MAX_REASON = 200


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a tenant's life that people take by hand."""

    status: TenantStatus
    word: str
    icon: str
    warning: str
    final: bool = False


MOVES: Mapping[TenantStatus, Move] = {
    TenantStatus.SUSPENDED: Move(
        TenantStatus.SUSPENDED,
        N_("暂停收款"),
        "player-pause",
        N_("暂停后不能再下单；已创建的订单仍可支付，退款、查单和通知照常。"),
    ),
    TenantStatus.LIVE: Move(TenantStatus.LIVE, N_("恢复收款"), "player-play", N_("恢复后可以立即下单收款。")),
    TenantStatus.CLOSED: Move(
        TenantStatus.CLOSED,
        N_("关闭商户"),
        "ban",
        N_("关闭后不能恢复：密钥立即失效，不能再下单；历史订单保留，可以继续退款。"),
        final=True,
    ),
}


def moves_of(tenant: TenantProfile) -> tuple[Move, ...]:
    """Return what may be done to a tenant by hand; going live for the first time is the wizard's."""
    match TenantStatus(tenant.status):
        case TenantStatus.LIVE:
            return (MOVES[TenantStatus.SUSPENDED],)
        case TenantStatus.SUSPENDED:
            return (MOVES[TenantStatus.LIVE], MOVES[TenantStatus.CLOSED])
        case TenantStatus.CLOSED:
            return ()
        case _:
            return (MOVES[TenantStatus.CLOSED],)


@dataclass(frozen=True, slots=True)
class MoveForm:
    """A step with its reason, and the tenant's name typed for confirmation."""

    to: str = ""
    reason: str = ""
    confirm: str = ""
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> MoveForm:
        return cls(text_of(form, "to"), text_of(form, "reason").strip(), text_of(form, "confirm").strip())

    def check(self, tenant: TenantProfile) -> dict[str, Text]:
        """Return what is wrong, by field."""
        faults: dict[str, Text] = {}
        if self.to not in {move.status.value for move in moves_of(tenant)}:
            faults["form"] = Text(
                "商户状态已变化，请按现在的状态重新选择。", "The status changed meanwhile; choose again."
            )
        if not self.reason:
            faults["reason"] = Text("请填写原因，会记入操作日志。", "Give the reason, for the audit log.")
        elif len(self.reason) > MAX_REASON:
            faults["reason"] = Text(
                f"原因最多 {MAX_REASON} 个字，请缩短。", f"Shorten the reason to {MAX_REASON} characters."
            )
        if self.confirm != tenant.name:
            faults["confirm"] = Text(
                "与商户名称不一致，请完整输入商户名称。", "Type the sub-merchant's whole name to confirm."
            )
        return faults


@dataclass(frozen=True, slots=True)
class SettingsForm:
    """Limits as typed, policies as ticked."""

    server_per_second: str
    session_per_second: str
    merchant_refunds: bool
    refunds_double_payments: bool
    own_bills: bool
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def of(cls, detail: TenantDetail) -> SettingsForm:
        tenant = detail.tenant
        return cls(
            str(tenant.server_per_second),
            str(tenant.session_per_second),
            detail.merchant_refunds,
            detail.refunds_double_payments,
            detail.own_bills,
        )

    @classmethod
    def read(cls, form: Any) -> SettingsForm:
        return cls(
            server_per_second=text_of(form, "server_per_second").strip(),
            session_per_second=text_of(form, "session_per_second").strip(),
            merchant_refunds=text_of(form, "merchant_refunds") == "yes",
            refunds_double_payments=text_of(form, "refunds_double_payments") == "yes",
            own_bills=text_of(form, "own_bills") == "yes",
        )

    @property
    def wanted(self) -> dict[str, int | bool]:
        """Return the values; what is no whole number counts as 0, which the registry refuses."""
        return {
            "server_per_second": _whole(self.server_per_second),
            "session_per_second": _whole(self.session_per_second),
            "merchant_refunds": self.merchant_refunds,
            "refunds_double_payments": self.refunds_double_payments,
            "own_bills": self.own_bills,
        }


@dataclass(frozen=True, slots=True)
class RateForm:
    """A fee rate as people write it, and the day from which it holds."""

    rate: str = ""
    from_date: str = ""
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> RateForm:
        return cls(text_of(form, "rate").strip(), text_of(form, "from_date").strip())

    def values(self) -> tuple[date, Rate]:
        """Return what was meant. Raises InvalidInput."""
        faults = rate_faults(self.rate, "#/rate")
        try:
            day = date.fromisoformat(self.from_date)
        except ValueError:
            faults.append(Fault("#/from_date", "invalid_format", _DAY_RULE))
        if faults:
            raise InvalidInput(*faults)
        return day, Rate.parse(self.rate)


_DAY_RULE = Text("请选择日期，格式如 2026-11-21。", "Choose a day, written like 2026-11-21.")


def _whole(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) <= 6 else 0
