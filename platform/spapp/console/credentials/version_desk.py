"""Moving new orders from API v2 to v3 or back: what has to be in order first, shown as the doctor's rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect
from sqlalchemy import select

from spapp.console.credentials.kinds import BASE, VERSION_URL
from spapp.console.frame.faults import faults_by_field
from spapp.console.frame.forms import field
from spapp.console.frame.fresh import require_fresh
from spapp.console.frame.places import provider_scope
from spapp.console.frame.telling import tell_others
from spapp.console.frame.workplace import Notice, Work, Workplace, refused
from spcore.db.scope import ProviderScope
from spcore.errors import DomainError, NotFound, Text
from spcore.providers.models import Provider
from sptenants.doctor.rows import DoctorReport
from sptenants.doctor.service import Doctor
from sptenants.registry.api_version import MAX_REASON, ApiVersions, check_reason
from sptenants.registry.errors import Forbidden, StateConflict

_SWITCHED = {
    "v2": Text(
        "已切换回 APIv2：新订单从现在起按 v2 下单。", "Back on API v2: new orders go by v2 from now on."
    ),
    "v3": Text("已切换到 APIv3：新订单从现在起按 v3 下单。", "On API v3: new orders go by v3 from now on."),
}
_TOLD = {
    "v2": Text("把新订单切换回 APIv2", "moved new orders back to API v2"),
    "v3": Text("把新订单切换到 APIv3", "moved new orders to API v3"),
}
_NEEDED_FOR_V2 = frozenset({"sp.key", "notify.url_public"})
"""Going back must work when WeChat does not: only our own records are asked."""


@dataclass(frozen=True, slots=True)
class VersionDesk:
    place: Workplace
    doctor: Doctor
    versions: ApiVersions

    @property
    def scope(self) -> ProviderScope:
        return provider_scope(self.place.staff)

    async def show(
        self, report: DoctorReport | None = None, refusal: DomainError | None = None, reason: str = ""
    ) -> Response[str]:
        """Answer with the present version and what has to be in order for the other one. Without a report
        WeChat was not asked."""
        version = await self._present()
        other = _other(version)
        switched = _SWITCHED.get(self.place.request.query_params.get("switched", ""))
        if report is None:
            report = await self._look(other, live=False)
        return await self.place.show(
            "credentials/api_version.html",
            current=BASE,
            url=VERSION_URL,
            version=version,
            other=other,
            report=report,
            may_change=self.place.rights.own,
            faults=faults_by_field(refusal) if refusal else {},
            reason=reason,
            max_reason=MAX_REASON,
            asks_code=self.place.staff.has_second_factor,
            said=Notice("ok", switched) if switched else None,
        )

    async def check(self) -> Response[str]:
        """Ask WeChat everything the other version needs, and show what it said; nothing is stored."""
        return await self.show(await self._look(_other(await self._present()), live=True))

    async def switch(self) -> Response[Any]:
        """Move new orders to the version the form names, once everything it needs is found in order."""
        form = await self.place.request.form()
        reason, report = field(form, "reason"), None
        try:
            check_reason(reason)
            wanted = _version(field(form, "version"))
            report = await self._look(wanted, live=wanted == "v3")
            if report.failed:
                raise StateConflict(_NOT_READY)
            await require_fresh(self.place, form, "api_version")
            await self.versions.switch(self.scope, wanted, reason, self.place.staff.actor, self.place.facts)
        except (NotFound, Forbidden):
            raise
        except DomainError as refusal:
            return refused(await self.show(report, refusal, reason), refusal)
        await tell_others(self.place, _TOLD[wanted])
        return Redirect(f"{VERSION_URL}?switched={wanted}", status_code=303)

    async def _look(self, version: Literal["v2", "v3"], *, live: bool) -> DoctorReport:
        report = await self.doctor.try_version(self.scope, version, live=live)
        needed = {row.code for row in report.rows} if version == "v3" else _NEEDED_FOR_V2
        rows = (row for row in report.rows if row.code in needed and row.checked_at is not None)
        return DoctorReport(tuple(rows), report.ran_at)

    async def _present(self) -> Literal["v2", "v3"]:
        query = select(Provider.api_version).where(Provider.id == self.scope.provider_id)
        async with self.place.database.read(self.scope) as session:
            return _version((await session.scalars(query)).one())


def _version(text: str) -> Literal["v2", "v3"]:
    return "v3" if text == "v3" else "v2"


def _other(version: str) -> Literal["v2", "v3"]:
    return "v2" if version == "v3" else "v3"


_NOT_READY = Text(
    "没有切换：下面标为失败的项目先要处理。",
    "Nothing was changed: settle the failed items below first.",
)

Versions = NamedDependency[SkipValidation[VersionDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_version_desk(
    place: Work, doctor: NamedDependency[Doctor], api_versions: NamedDependency[ApiVersions]
) -> VersionDesk:
    return VersionDesk(place, doctor, api_versions)


version_desk = Provide(_provide_version_desk, sync_to_thread=False)
