"""`wxsp run-due`: everything that is due now, once."""

from __future__ import annotations

import click

from spapp import worker
from spapp.cli.common import as_json, show
from spapp.cli.work import run


@click.command()
@click.option("--once", is_flag=True, required=True, help="执行一次后退出 run once, then exit")
@as_json
def run_due(once: bool, as_json: bool) -> None:  # noqa: ARG001 - the flag says aloud what happens
    """执行所有到期任务 run everything that is due now, then exit."""
    done = run(worker.run_due)
    show(done, machine=as_json, human="  ".join(f"{name}: {count}" for name, count in done.items()))
