"""`wxsp audit`: the hash-chained log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.audit.verifier import Verdict, verify


@click.group()
def audit() -> None:
    """操作日志 the audit log."""


@audit.command("verify")
@as_json
def verify_chains(as_json: bool) -> None:
    """逐行校验哈希链 check every chain, row by row; exit code 1 when one is broken."""

    async def work(services: Services) -> Verdict:
        return await verify(services.database)

    verdict = run(work)
    answer: dict[str, Any] = {"ok": verdict.ok}
    if verdict.ok:
        answer["rows"] = verdict.rows
        human = f"完好 intact: {verdict.rows}"
    else:
        answer["first_bad"] = asdict(verdict.first_bad) if verdict.first_bad else None
        human = f"被改动 tampered with: {verdict.first_bad}"
    show(answer, machine=as_json, human=human)
    if not verdict.ok:
        raise SystemExit(1)
