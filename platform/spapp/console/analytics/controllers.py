"""The route of the analysis."""

from __future__ import annotations

from litestar import Controller, Response, get

from spapp.console.analytics.desk import Desk, analytics_desk
from spapp.console.frame.places import ADMIN, platform_place


class AdminAnalytics(Controller):
    """Every look is audited (rule Y4); files go the way of all exports."""

    path = "/admin/analytics"
    opt = ADMIN
    dependencies = {"place": platform_place, "analytics_desk": analytics_desk}  # noqa: RUF012 - the framework reads it
    include_in_schema = False

    @get()
    async def analysis(self, analytics_desk: Desk) -> Response[str]:
        return await analytics_desk.show()
