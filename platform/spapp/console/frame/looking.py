"""Writing down that the platform's people looked at rows of tenants, and why (rule Y4, T09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spapp.console.frame.choices import provider_choices, tenant_choices
from spapp.console.frame.list_query import ListQuery
from spapp.console.frame.places import PLATFORM_SCOPE
from spapp.console.frame.workplace import Workplace
from spcore.audit.models import PLATFORM_CHAIN
from spcore.audit.writer import Act, record

ROUTINE = "例行巡查 routine review"
"""The reason of whoever states none."""


async def write_down(
    place: Workplace,
    action: str,
    object_kind: str,
    looked: Mapping[str, Any],
    object_id: str | None = None,
    tenant_id: str | None = None,
) -> None:
    """Record who saw what and why, committed before anything is shown; when that fails, nothing is shown.

    The reason is the one that the person stated for their session.
    """
    facts = place.facts
    act = Act(
        actor=place.staff.actor,
        action=action,
        object_kind=object_kind,
        object_id=object_id,
        tenant_id=tenant_id,
        after=looked,
        reason=place.staff.look_reason or ROUTINE,
        request_id=facts.request_id,
        peer=facts.peer,
    )
    async with place.database.write(PLATFORM_SCOPE) as session:
        await record(session, PLATFORM_CHAIN, act, place.now)


async def place_choices(place: Workplace, query: ListQuery) -> dict[str, Any]:
    """Return what the filters of a list across all tenants offer."""
    tenants = await tenant_choices(
        place.database, PLATFORM_SCOPE, chosen=query.tenant, provider_id=query.provider
    )
    providers = await provider_choices(place.database, PLATFORM_SCOPE, chosen=query.provider)
    return {
        "tenants": tenants.options,
        "tenant_word": tenants.chosen,
        "providers": providers.options,
        "provider_word": providers.chosen,
    }
