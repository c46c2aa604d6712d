"""`wxsp inspect`: which mistake a signature has, by either API."""

from __future__ import annotations

from typing import BinaryIO

import click

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.console.inspector.views import ReportView, V3ReportView, report_view
from spapp.wiring import Services
from spcore.db.scope import ProviderScope


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--provider", "provider_id", required=True, help="服务商 whose keys count: prv_…")
@click.option("--tenant", "tenant_id", help="特约商户 whose AppIDs are meant: ten_…")
@as_json
def inspect(file: BinaryIO, provider_id: str, tenant_id: str | None, as_json: bool) -> None:
    """检查签名错在哪里 find out what is wrong with the signature in FILE (- for stdin).

    只解释已有的签名，不生成签名。Explains a signature that is there and makes none. Exit code 1 unless it is
    right.
    """
    text = file.read(1 << 20)

    async def work(services: Services) -> ReportView | V3ReportView:
        scope = ProviderScope(provider_id)
        return report_view(await services.inspector.inspect(scope, text, CLI, tenant_id=tenant_id))

    view = run(work)
    report = view.report
    causes = [
        {"code": each.code, "field": each.field, "zh": each.what.zh, "en": each.what.en}
        for each in view.causes
    ]
    answer = {
        "verdict": report.verdict,
        "causes": causes,
        "algorithm": view.algorithm,
        "key_version": report.key_version,
        "serial": view.serial,
        "app": report.app,
        "should": view.should,
        "signed": view.signed,
    }
    lines = [f"{view.verdict.zh} {view.verdict.en}"]
    for each in view.causes:
        lines += [f"- {each.what.zh} {each.what.en}", f"  {each.fix.zh} {each.fix.en}"]
    show(answer, machine=as_json, human="\n".join((*lines, view.should, *filter(None, (view.signed,)))))
    if report.verdict != "right" or report.remarks:
        raise SystemExit(1)
