"""Changing a key in steps: handed in as a candidate, rehearsed, put to use, taken back (B-13, K01-K06)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect

from spapp.console.credentials.desk import provider_of
from spapp.console.credentials.form import (
    FIELDS,
    MAX_REASON,
    OUTDATED,
    read_material,
    read_reason,
    read_version,
)
from spapp.console.credentials.kinds import BASE, KeyPage
from spapp.console.credentials.report import RehearsalView, mixed_up
from spapp.console.credentials.said import told
from spapp.console.credentials.views import KindView, VersionLine
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import provider_scope
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import Work, Workplace, refused
from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, Fault, InvalidInput, NotFound, Text
from spcore.providers.candidates import Candidates
from spcore.providers.keys import SIDE_BY_SIDE, overlap_of
from spcore.providers.models import KeyState
from spcore.providers.rehearsal import Rehearsals
from spcore.providers.rotation import KeyVersion, Origin, ProviderKeys
from sptenants.registry.errors import Forbidden, StateConflict

Show = Callable[[DomainError], Awaitable[Response[Any]]]


@dataclass(frozen=True, slots=True)
class ChangeDesk:
    """One kind of key at a time. Every method but those that show needs an owner, by its route."""

    place: Workplace
    keys: ProviderKeys
    candidates: Candidates
    rehearsals: Rehearsals

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    @property
    def origin(self) -> Origin:
        return Origin(self.place.staff.actor, self.place.facts.request_id, self.place.facts.peer)

    # --- handing in ----------------------------------------------------------------------------------

    async def show_form(self, page: KeyPage, refusal: DomainError | None = None) -> Response[str]:
        """Answer with the form; what was typed into it before is not repeated."""
        versions = await self._versions(page)
        return await self.place.show(
            "credentials/hand_in.html",
            current=BASE,
            key=page,
            fields=FIELDS,
            provider=await provider_of(self.place, self.scope),
            has_one=any(row.state == KeyState.ACTIVE for row in versions),
            candidate=_candidate(versions),
            overlap_hours=int(overlap_of(page.kind).total_seconds()) // 3600,
            faults=faults_by_field(refusal, FIELDS) if refusal else {},
            asks_code=self.place.staff.has_second_factor,
        )

    async def hand_in(self, page: KeyPage) -> Response[Any]:
        """Store a candidate and rehearse it at once, so that each key is used when it is saved (pain 21).

        With a fresh code, since notifications are believed by it from then on.
        """
        form = await self.place.request.form()
        try:
            mch_id = (await provider_of(self.place, self.scope)).mch_id
            material = await read_material(page, form, mch_id, self.place.now)
            await require_fresh(self.place, form, "provider_key")
            version = await self.candidates.put(self.scope, material, self.origin, proven=True)
            await tell_others(self.place, told("handed_in", page.kind))
            await self.rehearsals.rehearse(self.scope, page.kind, version, self.origin)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await self.show_form(page, refusal), refusal)
        return Redirect(page.candidate_url, status_code=303)

    # --- the candidate -------------------------------------------------------------------------------

    async def show_candidate(
        self, page: KeyPage, refusal: DomainError | None = None, reason: str = ""
    ) -> Response[Any]:
        """Answer with the candidate and its last rehearsal; without one, with where to hand it in."""
        versions = await self._versions(page)
        candidate = _candidate(versions)
        if candidate is None:
            if refusal is not None:
                return await self.show_form(page, refusal)
            return Redirect(page.url, status_code=303)
        last = await self.rehearsals.last(self.scope, page.kind, candidate.version)
        return await self.place.show(
            "credentials/candidate.html",
            current=BASE,
            key=page,
            candidate=VersionLine(candidate, self.place.now, None),
            replaced=[row for row in versions if row.state == KeyState.ACTIVE],
            stays_beside=page.kind in SIDE_BY_SIDE,
            overlap_hours=int(overlap_of(page.kind).total_seconds()) // 3600,
            rehearsal=RehearsalView(last, self.place.now) if last else None,
            mixed_up=mixed_up(candidate, await self.keys.versions(self.scope)),
            faults=faults_by_field(refusal) if refusal else {},
            reason=reason,
            max_reason=MAX_REASON,
            asks_code=self.place.staff.has_second_factor,
        )

    async def rehearse(self, page: KeyPage) -> Response[Any]:
        """Rehearse the candidate once more."""

        async def done(version: int, _form: Any) -> str:
            await self.rehearsals.rehearse(self.scope, page.kind, version, self.origin)
            return page.candidate_url

        return await self._act(page, done)

    async def promote(self, page: KeyPage) -> Response[Any]:
        """Put the candidate to use: with a fresh code, and with a reason where no rehearsal speaks for it."""

        async def done(version: int, form: Any) -> str:
            despite, candidate = read_reason(form), _candidate(await self._versions(page))
            if candidate is None or candidate.version != version:
                raise NotFound
            last = await self.rehearsals.last(self.scope, page.kind, version)
            if despite is None and not (last and RehearsalView(last, self.place.now).counts):
                raise InvalidInput(Fault("#/reason", "missing", _WHY_DESPITE))
            await require_fresh(self.place, form, "provider_key")
            await self.candidates.promote(self.scope, page.kind, version, self.origin, despite)
            await tell_others(self.place, told("promoted", page.kind))
            return f"{BASE}?changed=promoted"

        return await self._act(page, done)

    async def discard(self, page: KeyPage) -> Response[Any]:
        """Give the candidate up."""

        async def done(version: int, _form: Any) -> str:
            await self.candidates.discard(self.scope, page.kind, version, self.origin)
            return f"{BASE}?changed=discarded"

        return await self._act(page, done)

    # --- the way back --------------------------------------------------------------------------------

    async def show_roll_back(self, page: KeyPage, refusal: DomainError | None = None) -> Response[Any]:
        """Ask whether to go one version back."""
        now = self.place.now
        retiring = [row for row in await self._versions(page) if row.state_at(now) == KeyState.RETIRING]
        return await self._ask(page, "roll_back", retiring[0] if retiring else None, refusal)

    async def roll_back(self, page: KeyPage) -> Response[Any]:
        async def done(_version: int, form: Any) -> str:
            reason = read_reason(form)
            await require_fresh(self.place, form, "provider_key")
            await self.candidates.roll_back(self.scope, page.kind, self.origin, reason)
            await tell_others(self.place, told("rolled_back", page.kind))
            return f"{BASE}?changed=rolled_back"

        async def shown(refusal: DomainError) -> Response[Any]:
            return await self.show_roll_back(page, refusal)

        return await self._act(page, done, shown)

    async def show_change(
        self, page: KeyPage, act: str, version: str | None = None, refusal: DomainError | None = None
    ) -> Response[Any]:
        """Ask whether to end the version that the address names (`retire`), or take it back (`restore`)."""
        version = version or self.place.request.query_params.get("version", "")
        lines = tuple(VersionLine(row, self.place.now, None) for row in await self._versions(page))
        kind = KindView(page, lines, may_change=True, is_needed=False)
        for line in lines:
            offered = {url for _word, url in kind.acts_on(line)}
            if str(line.row.version) == version and page.change_of(act, line.row.version) in offered:
                return await self._ask(page, act, line.row, refusal)
        return await self._ask(page, act, None, refusal)

    async def retire(self, page: KeyPage) -> Response[Any]:
        async def done(version: int, form: Any) -> str:
            reason, at_once = read_reason(form), field(form, "at_once") == "1"
            await require_fresh(self.place, form, "provider_key")
            await self.candidates.retire(
                self.scope, page.kind, version, self.origin, at_once=at_once, reason=reason
            )
            await tell_others(self.place, told("retired", page.kind))
            return f"{BASE}?changed=retired"

        return await self._change(page, "retire", done)

    async def restore(self, page: KeyPage) -> Response[Any]:
        async def done(version: int, form: Any) -> str:
            reason = read_reason(form)
            await require_fresh(self.place, form, "provider_key")
            await self.candidates.restore(self.scope, page.kind, version, self.origin, reason)
            await tell_others(self.place, told("restored", page.kind))
            return f"{BASE}?changed=restored"

        return await self._change(page, "restore", done)

    # --- what they share -----------------------------------------------------------------------------

    async def _change(
        self, page: KeyPage, act: str, done: Callable[[int, Any], Awaitable[str]]
    ) -> Response[Any]:
        version = field(await self.place.request.form(), "version")

        async def shown(refusal: DomainError) -> Response[Any]:
            return await self.show_change(page, act, version, refusal)

        return await self._act(page, done, shown)

    async def _act(
        self, page: KeyPage, done: Callable[[int, Any], Awaitable[str]], shown: Show | None = None
    ) -> Response[Any]:
        """Do something to the version that the form names and lead to where it is seen.

        A version that is gone or changed meanwhile is told of, since the page of its kind is there.
        """
        form = await self.place.request.form()
        try:
            return Redirect(await done(read_version(field(form, "version")), form), status_code=303)
        except Forbidden:
            raise
        except NotFound:
            refusal: DomainError = StateConflict(OUTDATED)
        except DomainError as raised:
            refusal = raised
        if shown is not None:
            return refused(await shown(refusal), refusal)
        return refused(await self.show_candidate(page, refusal, field(form, "reason")), refusal)

    async def _ask(
        self, page: KeyPage, act: str, row: KeyVersion | None, refusal: DomainError | None
    ) -> Response[Any]:
        if row is None and refusal is None:
            return Redirect(BASE, status_code=303)
        return await self.place.show(
            "credentials/change.html",
            current=BASE,
            key=page,
            act=act,
            line=VersionLine(row, self.place.now, None) if row else None,
            is_active=row is not None and row.state_at(self.place.now) == KeyState.ACTIVE,
            overlap_hours=int(overlap_of(page.kind).total_seconds()) // 3600,
            faults=faults_by_field(refusal) if refusal else {},
            max_reason=MAX_REASON,
            asks_code=self.place.staff.has_second_factor,
        )

    async def _versions(self, page: KeyPage) -> list[KeyVersion]:
        return [row for row in await self.keys.versions(self.scope) if row.kind is page.kind]


def _candidate(versions: list[KeyVersion]) -> KeyVersion | None:
    return next((row for row in versions if row.state == KeyState.CANDIDATE), None)


_WHY_DESPITE = Text(
    "没有最近 30 分钟内通过的演练：请先演练，或写明为什么仍要启用。",
    "No rehearsal passed within the last 30 minutes: rehearse it, or say why it is put to use all the same.",
)

Changes = NamedDependency[SkipValidation[ChangeDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_change_desk(
    place: Work,
    provider_keys: NamedDependency[ProviderKeys],
    candidates: NamedDependency[Candidates],
    rehearsals: NamedDependency[Rehearsals],
) -> ChangeDesk:
    return ChangeDesk(place, provider_keys, candidates, rehearsals)


change_desk = Provide(_provide_change_desk, sync_to_thread=False)
