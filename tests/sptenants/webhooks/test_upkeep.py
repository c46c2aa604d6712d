"""Attempts are kept for 90 days, events and deliveries for longer (part 2.6)."""

from __future__ import annotations

from datetime import timedelta

from tests.support.post_office import PostOffice

from spapp import housekeeping


async def test_attempts_are_forgotten_after_90_days_and_events_stay_listed(office: PostOffice) -> None:
    async with office.shop():
        await office.event("a")
        await office.work()
        office.clock.advance(days=89)
        await office.event("b")
        await office.work()
    await housekeeping.tidy(office.database, office.clock)
    assert len(await office.attempts()) == 2
    office.clock.advance(days=1)
    await housekeeping.tidy(office.database, office.clock)
    (kept,) = await office.attempts()
    assert kept.at == office.clock.now() - timedelta(days=1)
    assert (len(await office.deliveries()), len(await office.events())) == (2, 2)
