"""What the doctor found in the shop, a trial under way, and one that earned its certificate."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from spcore.audit.actor import Actor
from spcore.db.base import table_of
from spcore.db.engine import Database
from spcore.db.scope import ProviderScope, TenantScope
from spcore.ids import new_id
from sptenants.doctor.repository import insert_run, replace_results
from sptenants.doctor.verdicts import Verdict
from sptenants.golive.evidence import digest_of
from sptenants.golive.models import CertificateRow, TrialRow
from sptenants.registry.ledger import LedgerEvent, write_history
from sptenants.registry.models import AppBinding

_BY = Actor("person", None, "赵运")


async def add(
    database: Database,
    now: datetime,
    tenant: TenantScope,
    neighbour: TenantScope,
    order_id: str,
    neighbours_order_id: str,
) -> dict[str, str]:
    """Examine a tenant with three apps and its neighbour at another provider, and return ids by name."""
    scope = ProviderScope(tenant.provider_id)
    async with database.read(scope) as session:
        rows = await session.scalars(
            select(AppBinding)
            .where(AppBinding.provider_id == tenant.provider_id, AppBinding.tenant_id == tenant.tenant_id)
            .order_by(AppBinding.slot)
        )
        apps = list(rows)
    await _examined(database, now, tenant, apps)
    async with database.write(tenant) as session:
        for app in apps:
            facts = {"slot": app.slot, "kind": app.kind, "owner": app.owner, "after": "unverified"}
            await write_history(
                session,
                tenant,
                app.id,
                app.sub_appid,
                LedgerEvent.DECLARED,
                facts,
                _BY,
                now - timedelta(days=9),
            )
    made = await _trial(database, now, tenant, apps[0].id, apps[0].slot, apps[0].sub_appid, order_id)
    other = await _trial(
        database, now, neighbour, "bnd_of_the_clinic", 1, "wx00c1171c00000001", neighbours_order_id
    )
    return made | {f"other {name}": value for name, value in other.items()}


async def _examined(database: Database, now: datetime, tenant: TenantScope, apps: list[AppBinding]) -> None:
    scope, run_id = ProviderScope(tenant.provider_id), new_id("run", now)
    ends = {"date": "2026-12-09", "days": 18}
    of_provider = [
        Verdict("sp.key"),
        Verdict("sp.cert_pair"),
        Verdict("sp.cert_expiry", "soon", ends),
        Verdict("notify.url_public"),
        Verdict("gateway.reach"),
        Verdict("clock.skew"),
        Verdict("sp.signature"),
        Verdict("sp.account"),
        Verdict("sp.cert_accepted"),
    ]
    of_tenant = [
        Verdict("sub_mch.relation"),
        Verdict("sub_mch.status"),
        Verdict("sub_mch.product"),
        Verdict("notify.self_test", "page", {"status": 403}),
        Verdict("binding.count"),
        *(Verdict("binding.appid_format", part=app.id) for app in apps),
        Verdict("binding.secret", part=apps[0].id),
        Verdict("binding.secret", "missing", part=apps[2].id),
        Verdict("binding.wechat_side", part=apps[0].id),
        Verdict("binding.wechat_side", part=apps[1].id),
        Verdict("binding.wechat_side", "mismatch", {"code": "APPID_MCHID_NOT_MATCH"}, apps[2].id),
        Verdict("directory.confirmed", "unconfirmed"),
        Verdict("miniprogram.request_domain", "unticked"),
        Verdict("webhook.test", "none"),
        Verdict("trial.pay", part=apps[0].id),
        Verdict("trial.refund", part=apps[0].id),
    ]
    async with database.write(scope) as session:
        await replace_results(session, scope, None, of_provider, run_id, now)
        await replace_results(session, scope, tenant.tenant_id, of_tenant, run_id, now)
        await insert_run(
            session,
            {
                "id": run_id,
                "provider_id": tenant.provider_id,
                "tenant_id": tenant.tenant_id,
                "subject": tenant.tenant_id,
                "ran_at": now,
                "by": _BY.name,
                "live": True,
                "worst": "fail",
                "evidence": {"calls": []},
            },
        )


async def _trial(
    database: Database,
    now: datetime,
    tenant: TenantScope,
    binding_id: str,
    slot: int,
    sub_appid: str,
    order_id: str,
) -> dict[str, str]:
    trial_id, certificate_id = new_id("tri", now), new_id("glc", now)
    owner = {"provider_id": tenant.provider_id, "tenant_id": tenant.tenant_id}
    app = {"binding_id": binding_id, "slot": slot, "sub_appid": sub_appid}
    trial = (
        owner
        | app
        | {
            "id": trial_id,
            "order_id": order_id,
            "state": "passed",
            "begun_at": now - timedelta(minutes=9),
            "begun_by": _BY.name,
            "finished_at": now - timedelta(minutes=7),
        }
    )
    steps = ("placed", "paid", "notified", "webhook", "refunded", "refund_confirmed")
    evidence: dict[str, Any] = {
        "tenant": {"id": tenant.tenant_id, "name": "晨曦咖啡", "sub_mch_id": "1612345678"},
        "provider": {"id": tenant.provider_id, "mch_id": "1900000109", "mode": "test"},
        "binding": {"id": binding_id, "slot": slot, "sub_appid": sub_appid},
        "order": {
            "id": order_id,
            "out_trade_no": "01JD3K8W7Q4M6X0B2T9V5H1CZN",
            "transaction_id": "4200002611202611215530918274",
            "amount": 1,
        },
        "refund": {"id": "rfd_01JD3K8W7Q4M6X0B2T9V5H1CZN", "out_refund_no": "01JD3K8W7Q4M6X0B2T9V5H1CZP"},
        "steps": [
            {
                "code": code,
                "state": "none" if code == "webhook" else "ok",
                "at": None if code == "webhook" else (now - timedelta(minutes=8)).isoformat(),
            }
            for code in steps
        ],
        "hashes": {name: digest_of([name]) for name in ("timeline", "notification", "refund")},
    }
    certificate = (
        owner
        | app
        | {
            "id": certificate_id,
            "trial_id": trial_id,
            "issued_at": now - timedelta(minutes=7),
            "evidence": evidence,
            "digest": digest_of(evidence),
        }
    )
    async with database.write(tenant) as session:
        await session.execute(insert(table_of(TrialRow)), [trial])
        await session.execute(insert(table_of(CertificateRow)), [certificate])
    return {"trial": trial_id, "certificate": certificate_id}
