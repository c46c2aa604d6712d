"""The first steps of a new service provider, shown until all of them are done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import exists, literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from spapp.web.i18n import N_
from spcore.db.scope import ProviderScope
from spcore.providers.models import KeyKind, KeyState, ProviderKey
from sptenants.orders.models import Order
from sptenants.orders.states import OrderStatus
from sptenants.registry.models import Tenant

_SIGNING = (KeyKind.API_V2.value, KeyKind.CLIENT_CERTIFICATE.value)


@dataclass(frozen=True, slots=True)
class Step:
    word: str
    help: str
    action: str
    url: str
    done: bool


async def first_steps(session: AsyncSession, scope: ProviderScope) -> Sequence[Step]:
    """Return the three steps; nothing when all are done."""
    provider_id = scope.provider_id
    has_keys, has_tenant, has_payment = (
        await session.execute(
            select(
                exists().where(
                    ProviderKey.provider_id == provider_id,
                    ProviderKey.kind.in_(_SIGNING),
                    ProviderKey.state == KeyState.ACTIVE.value,
                ),
                exists().where(Tenant.provider_id == provider_id),
                exists().where(
                    Order.provider_id == provider_id,
                    Order.status == literal(OrderStatus.PAID.value, literal_execute=True),
                ),
            )
        )
    ).one()
    if has_keys and has_tenant and has_payment:
        return ()
    return (
        Step(
            N_("录入服务商密钥"),
            N_("API 密钥与商户证书用来签名和验签，保存后不再显示。"),
            N_("去录入"),
            "/console/credentials",
            has_keys,
        ),
        Step(
            N_("接入第一个特约商户"),
            N_("按向导填写特约商户号与 AppID，每一步都会告诉你在微信侧要做什么。"),
            N_("去接入"),
            "/console/tenants",
            has_tenant,
        ),
        Step(
            N_("试付 ¥0.01"),
            N_("在接入向导的最后一步扫码付一分钱，再退回，证明整条链路可用。"),
            N_("去试付"),
            "/console/tenants",
            has_payment,
        ),
    )
