"""`wxsp worker`: background work as a program of its own."""

from __future__ import annotations

import asyncio
import signal

import click

from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.wiring import Services
from spapp.worker import Worker


@click.command()
@as_json
def worker(as_json: bool) -> None:
    """后台任务：事件、查单、关单 events, queries, closing. SIGTERM 后 20 秒内结束 ends within 20 s."""
    run(_work)
    show({"stopped": True}, machine=as_json, human="已停止 stopped")


async def _work(services: Services) -> None:
    working = Worker.of(services)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.stop)
    await working.run()
