"""Asking for a list as a file, in all three areas; a long one is written by the worker and fetched later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation
from litestar.response import Redirect, Stream

from spapp.console.frame.forms import field
from spapp.console.frame.words import Chip
from spapp.console.frame.workplace import Work, Workplace, refused
from spapp.exports.kinds import ExportKind
from spapp.exports.models import ExportState
from spapp.exports.records import ExportRecord
from spapp.exports.service import AT_ONCE, Exports
from spapp.web.i18n import N_
from spapp.web.pages import Display
from spcore.db.scope import PlatformScope
from spcore.errors import NotFound, Text

MAX_REASON = 200

_STATES = {
    ExportState.WAITING: Chip("mute", N_("排队中")),
    ExportState.RUNNING: Chip("wait", N_("生成中")),
    ExportState.DONE: Chip("ok", N_("可下载")),
    ExportState.FAILED: Chip("bad", N_("生成失败")),
}
_NO_REASON = Text(
    "请填写导出原因：跨租户导出会连同原因记入操作日志。",
    "Say why: an export across tenants is written to the audit log with its reason.",
)
_LONG_REASON = Text(f"原因最多 {MAX_REASON} 个字符。", f"A reason has at most {MAX_REASON} characters.")


@dataclass(frozen=True, slots=True)
class ExportLine:
    """One file on the page; `filter` is what it was asked for with, in the words of the address."""

    export: ExportRecord
    chip: Chip
    title: Text
    list_url: str
    file_url: str | None


@dataclass(frozen=True, slots=True)
class ExportDesk:
    place: Workplace
    exports: Exports

    @property
    def base(self) -> str:
        return f"{self.place.base}/exports"

    async def show(self) -> Response[str]:
        """Answer with the files that the person asked for in the last day."""
        self.place.require(self.place.rights.export)
        found = await self.exports.asked(self.place.staff, self.place.scope)
        lines = [self._line(export) for export in found]
        return await self.place.show_detail(
            "exports/table.html",
            "exports/page.html",
            current=self.base,
            base=self.base,
            lines=lines,
            moving=any(line.export.is_open for line in lines),
            at_once=AT_ONCE,
        )

    async def show_form(self, faults: Mapping[str, Text] | None = None, reason: str = "") -> Response[str]:
        """Answer with the form that asks why. Raises NotFound for a list that cannot be exported."""
        self.place.require(self.place.rights.export)
        given: Mapping[str, Any] = self.place.request.query_params
        return await self._form(
            self._kind(given.get("kind", "")), str(given.get("query", "")), reason, faults or {}
        )

    async def start(self) -> Response[Any]:
        """Send the file, or have it written when it is long. Raises NotFound, Forbidden."""
        self.place.require(self.place.rights.export)
        form = await self.place.request.form()
        kind, query = self._kind(field(form, "kind")), field(form, "query")[:4000]
        reason = field(form, "reason").strip()
        if faults := self._check(reason):
            return refused(await self._form(kind, query, reason, faults))
        place, language = self.place, Display.of(self.place.request).language
        export = kind.of(place.scope, query, place.now)
        count = await export.count(AT_ONCE)
        if count > AT_ONCE:
            await self.exports.ask(
                place.staff, place.scope, kind, export, query, reason or None, language, place.facts
            )
            return Redirect(self.base, status_code=303)
        content = await self.exports.send(
            place.staff, place.scope, kind, export, count, reason or None, language, place.facts
        )
        return _file(content, f"{kind.name}-{place.now:%Y%m%dT%H%M%SZ}.csv")

    async def send(self) -> Response[Any]:
        """Send a finished file. Raises NotFound, also for somebody else's."""
        self.place.require(self.place.rights.export)
        export_id = self.place.request.query_params.get("id", "")
        place = self.place
        if "\0" in export_id:
            raise NotFound
        export, content = await self.exports.download(place.staff, place.scope, export_id, place.facts)
        return _file(content, export.file_name)

    async def _form(
        self, kind: ExportKind, query: str, reason: str, faults: Mapping[str, Text]
    ) -> Response[str]:
        return await self.place.show(
            "exports/form.html",
            current=self.place.orders,
            base=self.base,
            kind=kind,
            query=query,
            filter=kind.of(self.place.scope, query, self.place.now).filter,
            list_url=self._list_url(kind.name, query),
            reason=reason,
            faults=faults,
            max_reason=MAX_REASON,
            must_say_why=self._must_say_why,
        )

    @property
    def _must_say_why(self) -> bool:
        return isinstance(self.place.scope, PlatformScope)

    def _check(self, reason: str) -> dict[str, Text]:
        if self._must_say_why and not reason:
            return {"reason": _NO_REASON}
        return {"reason": _LONG_REASON} if len(reason) > MAX_REASON else {}

    def _kind(self, name: str) -> ExportKind:
        if name == "refunds" and not self.place.rights.refund_pages:
            raise NotFound
        return self.exports.kind(name)

    def _line(self, export: ExportRecord) -> ExportLine:
        return ExportLine(
            export=export,
            chip=_STATES[export.state],
            title=self.exports.kind(export.kind).title,
            list_url=self._list_url(export.kind, export.query),
            file_url=f"{self.base}/file?id={export.id}" if export.state is ExportState.DONE else None,
        )

    def _list_url(self, kind: str, query: str) -> str:
        elsewhere = {"orders": self.place.orders}
        if not self._must_say_why:
            elsewhere["audit"] = f"{self.place.base}/audit-log"
        base = elsewhere.get(kind, f"{self.place.base}/{kind}")
        return f"{base}?{query}" if query else base


def _file(content: Any, name: str) -> Stream:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Stream(content, media_type="text/csv; charset=utf-8", headers=headers)


Exporting = NamedDependency[SkipValidation[ExportDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_export_desk(place: Work, exports: NamedDependency[Exports]) -> ExportDesk:
    return ExportDesk(place, exports)


export_desk = Provide(_provide_export_desk, sync_to_thread=False)
