"""Telling the other owners of a provider about a sensitive act of this person (S12)."""

from __future__ import annotations

from spapp.accounts.notices import notify_others
from spapp.console.frame.workplace import Workplace
from spcore.db.scope import DoorScope
from spcore.errors import Text


async def tell_others(place: Workplace, words: Text) -> None:
    """Put a notice on the other owners' pages; `words` follow the person's name and name no secret.

    Called when the act is stored: notices belong to people, the act to its provider, and no scope reaches
    both. What must never be missing is the act's own audit row, which is in the act's transaction.
    """
    async with place.database.write(DoorScope()) as session:
        await notify_others(session, place.staff.provider_id, words, place.staff.actor, place.now)
