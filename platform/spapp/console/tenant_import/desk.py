"""The import page: a list is read, tried, and taken once somebody has seen what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from spapp.console.frame.callers import provider_caller
from spapp.console.frame.forms import field
from spapp.console.frame.workplace import Notice, Work, Workplace, refused
from spapp.console.tenant_import.views import PlanView
from spcore.errors import DomainError, Fault, InvalidInput, Text
from sptenants.onboarding.batch import Plan, TenantImport
from sptenants.onboarding.errors import PlanOutdated
from sptenants.onboarding.sheet import COLUMNS, MAX_ROWS, Sheet, read_bytes, read_text, template

LIST = "/console/tenants"
MAX_FILE = 1_000_000
"""Bytes of a list: 2,000 full rows are about half of it."""

_TOO_LARGE = Text("文件超过 1 MB，请拆成几个文件。", "The file is larger than 1 MB: split it.")
_REFUSED = Text(
    "没有导入任何一行：有的行在导入时被拒绝，请更正后重新试运行。",
    "Nothing was imported: some rows were refused while importing. Correct them and try again.",
)


@dataclass(frozen=True, slots=True)
class ImportDesk:
    place: Workplace
    imports: TenantImport

    async def show(
        self,
        *,
        sheet: Sheet | None = None,
        plan: Plan | None = None,
        said: Notice | None = None,
        typed: str = "",
        done: Plan | None = None,
    ) -> Response[str]:
        """Answer with the page: empty, with a dry run, or with what was done."""
        return await self.place.show(
            "tenant_import/page.html",
            current=LIST,
            columns=list(COLUMNS.values()),
            max_rows=MAX_ROWS,
            sheet=sheet,
            plan=PlanView(plan) if plan is not None else None,
            said=said,
            typed=typed,
            done=PlanView(done) if done is not None else None,
        )

    def template(self) -> Response[bytes]:
        return Response(
            template().encode(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="tenants.csv"'},
        )

    async def take(self) -> Response[Any]:
        """Try the list, or take it when the person has seen what it does."""
        sent = await self.place.request.form()
        typed = field(sent, "text")
        try:
            sheet = await self._sheet(sent, typed)
        except InvalidInput as refusal:
            said = Notice("bad", _plain(refusal))
            return refused(await self.show(said=said, typed=typed))
        if field(sent, "act") == "apply":
            return await self._apply(sheet, field(sent, "digest"))
        return await self._tried(sheet)

    async def _sheet(self, sent: Any, typed: str) -> Sheet:
        """Return the uploaded file, else what was pasted. Raises InvalidInput."""
        upload = sent.get("file")
        if isinstance(upload, UploadFile):
            content = await upload.read()
            if len(content) > MAX_FILE:
                raise InvalidInput(Fault("#", "too_large", _TOO_LARGE))
            if content:
                return read_bytes(content)
        if len(typed) > MAX_FILE:
            raise InvalidInput(Fault("#", "too_large", _TOO_LARGE))
        return read_text(typed)

    async def _tried(self, sheet: Sheet, said: Notice | None = None) -> Response[str]:
        plan = await self.imports.dry_run(await provider_caller(self.place), sheet)
        shown = await self.show(sheet=sheet, plan=plan, said=said)
        return shown if plan.ok and said is None else refused(shown)

    async def _apply(self, sheet: Sheet, digest: str) -> Response[str]:
        caller = await provider_caller(self.place)
        try:
            done = await self.imports.apply(caller, sheet, digest, self.place.facts)
        except PlanOutdated as refusal:
            return await self._tried(sheet, Notice("bad", refusal.text))
        except InvalidInput as refusal:
            text = Text(f"{_REFUSED.zh}{_plain(refusal).zh}", f"{_REFUSED.en} {_plain(refusal).en}")
            return await self._tried(sheet, Notice("bad", text))
        return await self.show(done=done)


def _plain(refusal: DomainError) -> Text:
    """Say what was wrong, row by row, without pointers."""
    if not isinstance(refusal, InvalidInput):
        return refusal.text
    parts = [(fault.pointer.removeprefix("#/rows/").partition("/"), fault.text) for fault in refusal.faults]
    named = [
        (f"第 {row} 行：" if row.isdigit() else "", f"Row {row}: " if row.isdigit() else "", text)
        for (row, _, _column), text in parts
    ]
    return Text(
        "".join(zh + text.zh for zh, _, text in named), " ".join(en + text.en for _, en, text in named)
    )


Importing = NamedDependency[SkipValidation[ImportDesk]]
"""How handlers ask for the desk; it was built by us, so nothing validates it."""


def _provide_import_desk(place: Work, tenant_import: NamedDependency[TenantImport]) -> ImportDesk:
    return ImportDesk(place, tenant_import)


import_desk = Provide(_provide_import_desk, sync_to_thread=False)
