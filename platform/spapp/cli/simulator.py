"""`wxsp simulator`: WeChat Pay on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from spapp.cli.common import as_json, refuse


@click.command()
@click.option("--port", default=8100, show_default=True, type=click.IntRange(1, 65535))
@click.option("--tls-port", default=8101, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="账本文件，缺省只在内存中 the books; in memory only without it",
)
@as_json
def simulator(port: int, tls_port: int, host: str, database: Path | None, as_json: bool) -> None:
    """严格的微信支付模拟器 a strict WeChat Pay simulator; controls under /_sim/."""
    from spsim.serve import run  # noqa: PLC0415 - a program of its own, loaded by this command only

    if as_json:
        click.echo(f'{{"url":"http://{host}:{port}","tls_url":"https://{host}:{tls_port}"}}')
    try:
        run(host, port, tls_port, database)
    except OSError as error:
        refuse(f"端口不可用 cannot listen on {port} or {tls_port}: {error.strerror}")
