"""`wxsp provider`: a service provider's keys."""

from __future__ import annotations

import sys
from typing import BinaryIO

import click

from spapp.cli.common import as_json, refuse, show
from spapp.cli.key_steps import KINDS, Done, KeySteps, Wish
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.db.scope import ProviderScope
from spcore.providers.certificates import MAX_PEM_BYTES
from spcore.providers.rotation import Origin


@click.group()
def provider() -> None:
    """服务商 service providers."""


@provider.command()
@click.option("--provider", "provider_id", required=True, help="服务商 the service provider: prv_…")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    required=True,
    help="API v2 密钥、APIv3 密钥、API 证书（证书与私钥，PEM 或 P12）、微信支付公钥 "
    "API v2 key, APIv3 key, API certificate with its key (PEM or P12), WeChat Pay public key",
)
@click.option("--id", "key_id", default="", help="公钥 ID the id of a public key: PUB_KEY_ID_…")
@click.option(
    "--ask-password", is_flag=True, help="输入 P12 口令（默认商户号）ask for the password of a P12 file"
)
@click.option("--candidate", is_flag=True, help="只作为候选 hand FILE in as a candidate, not for use yet")
@click.option("--rehearse", is_flag=True, help="演练候选 try the candidate; exit 1 unless it passes")
@click.option("--promote", is_flag=True, help="启用候选 put the candidate into use")
@click.option("--despite", metavar="REASON", help="未通过演练仍启用的理由 why to promote without a rehearsal")
@click.option("--roll-back", is_flag=True, help="退回上一个版本 go back to the version before")
@click.argument("file", type=click.File("rb"), required=False)
@as_json
def rotate(
    provider_id: str,
    kind: str,
    key_id: str,
    ask_password: bool,
    candidate: bool,
    rehearse: bool,
    promote: bool,
    despite: str | None,
    roll_back: bool,
    file: BinaryIO | None,
    as_json: bool,
) -> None:
    """更换密钥或证书 replace a key by what FILE (or `-`, standard input) holds.

    不带步骤选项时立即启用 FILE；--candidate --rehearse --promote 可分步或一次完成。

    Without a step FILE is put into use at once; --candidate --rehearse --promote go one after the other, in
    one call or several.
    """
    if roll_back == (file is not None or candidate or rehearse or promote):
        refuse("请给出 FILE 或一个步骤，--roll-back 单独使用\nname FILE or a step; --roll-back stands alone")
    given = b"" if file is None else file.read(2 * MAX_PEM_BYTES + 1)
    password = click.prompt("P12", hide_input=True, err=True) if ask_password else ""
    wish = Wish(KINDS[kind], None if file is None else given, key_id, password, despite)

    async def work(services: Services) -> Done:
        steps = KeySteps(services, ProviderScope(provider_id), Origin(CLI), wish)
        if roll_back:
            return await steps.roll_back()
        if not (candidate or rehearse or promote):
            return await steps.replace()
        return await steps.go(candidate=candidate, rehearse=rehearse, promote=promote)

    done = run(work)
    answer = {"provider_id": provider_id, "kind": kind, **done.answer}
    show(answer, machine=as_json, human=f"{provider_id} {kind} v{done.answer['version']} {done.words}")
    if not done.went_well:
        sys.exit(1)
