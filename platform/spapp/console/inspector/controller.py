"""The sign inspector's page: paste a failing text, see which mistake it has (B-1, rule C6)."""

from __future__ import annotations

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency

from spapp.console.frame.choices import tenant_choices
from spapp.console.frame.forms import field
from spapp.console.frame.places import MAY_ONBOARD, provider_place, provider_scope
from spapp.console.frame.workplace import Work, refused
from spapp.console.inspector.views import ReportView, V3ReportView, report_view
from spapp.inspector import Inspector
from spapp.web.i18n import N_
from spcore.errors import DomainError, InvalidInput, NotFound, Text
from sptenants.registry.access import access
from wechatpay.inspect.sample import MAX_TEXT

PAGE = "/console/inspector"


class InspectorPages(Controller):
    """For those who may onboard: the same people who see requests and callbacks fail."""

    path = PAGE
    opt = access("console", *MAY_ONBOARD)
    dependencies = {"place": provider_place}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def form(self, place: Work) -> Response[str]:
        return await _show(place, "", None)

    @post(status_code=200)
    async def inspect(self, place: Work, inspector: NamedDependency[Inspector]) -> Response[str]:
        """Show the report below the form; nothing is kept, so the answer is a page and no redirect."""
        form = await place.request.form()
        text, tenant_id = field(form, "text"), field(form, "tenant") or None
        scope = provider_scope(place.staff)
        try:
            found = await inspector.inspect(scope, text, place.staff.actor, place.facts, tenant_id=tenant_id)
        except NotFound:
            raise
        except InvalidInput as refusal:
            return refused(await _show(place, text, tenant_id, fault=refusal.faults[0].text))
        except DomainError as refusal:
            return refused(await _show(place, text, tenant_id, fault=refusal.text), refusal)
        return await _show(place, text, tenant_id, report_view(found))


async def _show(
    place: Work,
    text: str,
    tenant_id: str | None,
    report: ReportView | V3ReportView | None = None,
    fault: Text | None = None,
) -> Response[str]:
    scope = provider_scope(place.staff)
    tenants = await tenant_choices(place.database, scope, chosen=tenant_id, provider_id=scope.provider_id)
    return await place.show(
        "inspector/page.html",
        heading=N_("签名检查"),
        current=PAGE,
        text=text,
        tenants=tenants.options,
        tenant_id=tenant_id,
        report=report,
        fault=fault,
        max_text=MAX_TEXT,
    )
