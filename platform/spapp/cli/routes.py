"""`wxsp routes`: every route and who may call it."""

from __future__ import annotations

from dataclasses import asdict

import click

from spapp.asgi import create_app
from spapp.cli.common import as_json, settings, show
from spapp.web.guards import routes as routes_of


@click.command()
@as_json
def routes(as_json: bool) -> None:
    """列出路由 list every HTTP route: method, path, area, roles."""
    found = sorted(routes_of(create_app(settings())), key=lambda route: (route.path, route.method))
    human = "\n".join(f"{r.method:6} {r.path:60} {r.area:8} {', '.join(r.roles)}" for r in found)
    show([asdict(route) for route in found], machine=as_json, human=human)
