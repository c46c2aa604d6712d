"""What the worker does, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy.dialects import postgresql, sqlite

from spapp import housekeeping
from spapp.accounts.models import WorkerHeartbeat
from spapp.wiring import Services
from spcore.db.scope import DoorScope
from spcore.outbox.runner import OutboxRunner
from spcore.providers.uses import FLUSH_EVERY_S

BATCH = 100
HEARTBEAT_S = 5.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of work. `run` says how much it did; as long as that is a full batch it runs again at once."""

    name: str
    every_s: float
    run: Callable[[], Awaitable[int]]
    is_due_work: bool = False
    """Whether `wxsp run-due` does it too: work that waits for somebody, unlike upkeep."""
    to_its_end: Callable[[], Awaitable[int]] | None = None
    """What `wxsp run-due` does instead, where `run` only sets things going."""


def entries(services: Services, worker_id: str) -> tuple[Entry, ...]:
    outbox = OutboxRunner(services.database, services.clock, {}, worker_id, default=services.fan_out)
    started_at = services.clock.now()

    async def beat() -> int:
        now = services.clock.now()
        dialect = sqlite if services.database.dialect == "sqlite" else postgresql
        row = dialect.insert(WorkerHeartbeat).values(worker_id=worker_id, started_at=started_at, at=now)
        async with services.database.write(DoorScope()) as session:
            await session.execute(row.on_conflict_do_update(index_elements=["worker_id"], set_={"at": now}))
        return 0

    async def tidy() -> int:
        await services.accounts.purge()
        await services.export_writing.tidy()
        await services.notice_board.forget_old()
        await services.key_uses.forget_old()
        await housekeeping.tidy(services.database, services.clock)
        return 0

    return (
        Entry("heartbeat", HEARTBEAT_S, beat),
        Entry("outbox", 1.0, lambda: outbox.run_once(BATCH), is_due_work=True),
        Entry(
            "webhooks",
            1.0,
            services.deliverer.run_once,
            is_due_work=True,
            to_its_end=services.deliverer.drain,
        ),
        Entry("healing", 1.0, lambda: services.healing.run_due(BATCH), is_due_work=True),
        Entry("silence", 30.0, lambda: services.silence.run_due(BATCH), is_due_work=True),
        Entry("refunds", 1.0, lambda: services.refund_healing.run_due(BATCH), is_due_work=True),
        Entry("double_payments", 30.0, lambda: services.double_payments.run_due(BATCH), is_due_work=True),
        Entry("outside_refunds", 30.0, services.outside_watch.run_due, is_due_work=True),
        Entry("bills", 15.0, lambda: services.bills.run_due(worker_id, BATCH), is_due_work=True),
        Entry("statements", 30.0, services.statements.settle_due, is_due_work=True),
        Entry("differences", 15.0, services.difference_healing.run_due, is_due_work=True),
        Entry("sums", 15.0, lambda: services.summing.run(BATCH), is_due_work=True),
        Entry("visits", 15.0, services.visits.end_due),
        Entry("audit_heads", 300.0, services.audit_watch.log_heads),
        Entry("audit_check", 600.0, services.audit_watch.check_nightly),
        Entry("exports", 2.0, lambda: services.export_writing.run_due(worker_id), is_due_work=True),
        Entry("doctor", 300.0, services.doctor.run_due),
        Entry("key_uses", FLUSH_EVERY_S, services.key_uses.flush),
        Entry("platform_certificates", 15.0, services.platform_certificates.run_due, is_due_work=True),
        Entry("expiry", 3600.0, services.expiry_watch.run),
        Entry("probe_orders", 30.0, services.probe_closing.run_due),
        Entry("trials", 5.0, services.trials.run_due),
        Entry("housekeeping", 600.0, tidy),
    )
