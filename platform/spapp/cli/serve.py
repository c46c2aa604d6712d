"""`wxsp serve`: the web processes."""

from __future__ import annotations

import asyncio
import gc
import os

import click

from spapp import startup
from spapp.cli.common import as_json, refuse, settings
from spcore.settings import Settings

DRAIN_S = 20
# The server's own lines go the way of all others: to the root logger, as JSON.
_LOGS = {
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}},
}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", type=click.IntRange(1, 64), help="进程数，默认 WXSP_WORKERS number of processes")
@as_json
def serve(host: str, port: int, workers: int | None, as_json: bool) -> None:
    """API、通知与控制台 API, notifications and console; SIGTERM drains within 20 s."""
    if workers is not None:
        os.environ["WXSP_WORKERS"] = str(workers)
    found = settings()
    _prepare(found)
    if as_json:
        click.echo(f'{{"url":"http://{host}:{port}","workers":{found.workers}}}')
    _serve(found, host, port)


def _prepare(found: Settings) -> None:
    """Do once, before there are several processes, what each of them would otherwise do at the same time."""
    try:
        asyncio.run(startup.prepare(found))
    except startup.StartRefused as error:
        refuse(error.text)


def _serve(found: Settings, host: str, port: int) -> None:
    from granian import Granian  # noqa: PLC0415 - slow to load, and only this command needs it
    from granian.constants import HTTPModes, Interfaces  # noqa: PLC0415
    from granian.log import LogLevels  # noqa: PLC0415

    # Loaded here and inherited by the processes made from this one: they start faster and share the memory.
    # Nothing of it is garbage; looking for some while it loads would take a fifth of the time. The processes
    # turn the collector on again when they are ready.
    gc.disable()
    import spapp.asgi  # noqa: F401, PLC0415

    server = Granian(
        "spapp.asgi:from_environment",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=found.workers,
        http=HTTPModes.http1,
        websockets=False,
        workers_kill_timeout=DRAIN_S,
        log_level=LogLevels(found.log_level),
        log_dictconfig=_LOGS,
    )
    server.serve()
