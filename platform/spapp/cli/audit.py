"""`wxsp audit`: the hash-chained log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TextIO

import click

from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.audit.heads import Head, HeadFault, HeadSigner, check_heads, parse_heads, read_heads
from spcore.audit.verifier import Verdict, verify


@click.group()
def audit() -> None:
    """操作日志 the audit log."""


@audit.command("head")
@as_json
def print_heads(as_json: bool) -> None:
    """输出各链的链头 print the head of every chain, signed, to be kept elsewhere."""

    async def work(services: Services) -> tuple[Head, ...]:
        return await read_heads(services.database, HeadSigner(services.settings.master_keys))

    heads = run(work)
    lines = [f"{head.chain} {head.seq} {head.hash} {head.mac}" for head in heads]
    show({"heads": [asdict(head) for head in heads]}, machine=as_json, human="\n".join(lines))


@audit.command("verify")
@as_json
@click.option(
    "--heads",
    type=click.File(encoding="utf-8"),
    help="另与文件中的链头比对（audit head --json 的输出或日志） compare with kept heads too",
)
def verify_chains(as_json: bool, heads: TextIO | None) -> None:
    """逐行校验哈希链 check every chain, row by row; exit code 1 when one is broken."""
    kept = parse_heads(heads) if heads is not None else []
    if heads is not None and not kept:
        raise click.UsageError("文件中没有链头 the file holds no heads")

    async def work(services: Services) -> tuple[Verdict, tuple[HeadFault, ...]]:
        verdict = await verify(services.database)
        signer = HeadSigner(services.settings.master_keys)
        return verdict, await check_heads(services.database, signer, kept)

    verdict, faults = run(work)
    answer: dict[str, Any] = {"ok": verdict.ok and not faults}
    if heads is not None:
        answer["heads"] = len(kept)
    if faults:
        answer["head_faults"] = [asdict(fault) for fault in faults]
        human = f"与链头不符 not as kept: {faults[0]}"
    elif verdict.ok:
        answer["rows"] = verdict.rows
        human = f"完好 intact: {verdict.rows}"
    if not verdict.ok:
        answer["first_bad"] = asdict(verdict.first_bad) if verdict.first_bad else None
        human = f"被改动 tampered with: {verdict.first_bad}"
    show(answer, machine=as_json, human=human)
    if not answer["ok"]:
        raise SystemExit(1)
