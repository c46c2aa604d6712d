"""Faults for the doctor to name, and how it is seen that it names exactly them (acceptance B-8).

COMMON are those that a provider can have whichever of WeChat's APIs it uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tests.support.clinic import Clinic, told
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID

from spcore.providers.models import KeyKind, KeyState
from sptenants.doctor.rows import Level

OF_TENANT = {"mch_id": MCH_ID, "sub_mch_id": COFFEE}

Row = tuple[str, str | None]
"""Code of an item, and the app it is about."""
Hurt = Callable[[Clinic], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and which rows tell of it."""

    name: str
    hurt: Hurt
    red: frozenset[Row]
    amber: frozenset[Row] = frozenset()


class Faults(list[Fault]):
    """A list that faults are noted in."""

    def fault(self, *red: str | Row, amber: str | None = None) -> Callable[[Hurt], Hurt]:
        """Note a fault under its function's name. A bare code stands for the row without an app."""

        def note(hurt: Hurt) -> Hurt:
            rows = frozenset((one, None) if isinstance(one, str) else one for one in red)
            warned = frozenset({(amber, None)}) if amber else frozenset()
            self.append(Fault(hurt.__name__, hurt, rows, warned))
            return hurt

        return note


async def exactly_its_rows_tell_of_it(clinic: Clinic, case: Fault) -> None:
    """Hurt, examine, and look at every row that is not green."""
    await case.hurt(clinic)

    report = await clinic.examine()

    assert told(report, Level.FAIL) == case.red
    assert told(report, Level.WARN) == case.amber
    for row in report.rows:
        if row.level is not Level.PASS:
            assert row.cause is not None
            assert row.repair is not None
            assert "{" not in row.cause.zh + row.cause.en + row.repair.zh + row.repair.en


COMMON = Faults()
fault = COMMON.fault


@fault("sp.cert_pair")
async def no_certificate(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.CLIENT_CERTIFICATE, state=KeyState.RETIRED.value)


@fault("sp.cert_expiry")
async def expired_certificate(clinic: Clinic) -> None:
    await clinic.change_key(KeyKind.CLIENT_CERTIFICATE, not_after=datetime.now(UTC) - timedelta(days=1))


@fault("sp.cert_accepted")
async def revoked_certificate(clinic: Clinic) -> None:
    clinic.misconfigure("revoke_certificate", mch_id=MCH_ID)


@fault("sp.account")
async def provider_appid_that_is_not_linked(clinic: Clinic) -> None:
    clinic.misconfigure("unlink_appid", mch_id=MCH_ID)


@fault("sub_mch.relation")
async def relation_that_ended(clinic: Clinic) -> None:
    clinic.misconfigure("end_relation", **OF_TENANT)


@fault("sub_mch.status")
async def restricted_from_collecting(clinic: Clinic) -> None:
    clinic.misconfigure("restrict", **OF_TENANT)


@fault("sub_mch.product")
async def product_not_authorised(clinic: Clinic) -> None:
    clinic.misconfigure("unauthorize", **OF_TENANT)


@fault("sub_mch.product")
async def native_never_opened(clinic: Clinic) -> None:
    clinic.misconfigure("close_product", trade_type="NATIVE", **OF_TENANT)


@fault(("binding.wechat_side", COFFEE_APP))
async def app_that_is_bound_no_more(clinic: Clinic) -> None:
    clinic.misconfigure("unbind", sub_appid=COFFEE_APP, **OF_TENANT)


@fault("notify.self_test")
async def human_check_before_the_notify_address(clinic: Clinic) -> None:
    clinic.front("human_check")
