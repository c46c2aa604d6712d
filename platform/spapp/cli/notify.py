"""`wxsp notify`: notifications of WeChat Pay."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from spapp.cli.common import as_json, show
from spapp.cli.user import CLI
from spapp.cli.work import run
from spapp.console.notifies.views import EFFECT
from spapp.console.notifies.words import meaning_of, reason_text
from spapp.wiring import Services
from spcore.db.scope import PlatformScope
from spcore.errors import Text
from sptenants.notify.replay import Preview
from wechatpay.money import Fen

_SCOPE = PlatformScope("wxsp notify replay")


@click.group()
def notify() -> None:
    """支付通知 notifications."""


@notify.command()
@click.argument("notification_id")
@click.option(
    "--apply", "applies", is_flag=True, help="真正处理 let it take effect; without it nothing changes"
)
@click.option("--reason", default="", help="原因，写入操作日志 why, for the audit log; needed with --apply")
@as_json
def replay(notification_id: str, applies: bool, reason: str, as_json: bool) -> None:
    """重新判断一条通知 judge NOTIFICATION_ID (ntf_…) again; exit code 1 when it is not genuine."""
    if applies and not reason.strip():
        raise click.UsageError("--apply 需要 --reason needs a reason")

    async def work(services: Services) -> tuple[Preview, dict[str, Any] | None]:
        preview = await services.replays.preview(_SCOPE, notification_id)
        if not applies:
            return preview, None
        found = await services.replays.apply(_SCOPE, notification_id, CLI, reason, None)
        return preview, {"result": found.result, "reason": found.reason, "order_id": found.order_id}

    preview, applied = run(work)
    answer = {"id": notification_id, "preview": _plain(preview), "applied": applied}
    show(answer, machine=as_json, human=_human(preview, applied))
    if not preview.is_genuine:
        raise SystemExit(1)


def _plain(preview: Preview) -> dict[str, Any]:
    given = asdict(preview)
    amounts = {
        name: value.value for name in ("told", "expected") if isinstance(value := getattr(preview, name), Fen)
    }
    return given | amounts


def _human(preview: Preview, applied: dict[str, Any] | None) -> str:
    if applied is not None:
        return _both(f"已处理 applied: {applied['result']}", meaning_of(applied["result"]))
    lines = [_both(preview.effect, EFFECT[preview.effect].text)]
    reason = reason_text(preview.reason)
    if reason is not None:
        lines.append(_both(str(preview.reason), reason))
    if preview.order_id is not None:
        lines.append(f"{preview.order_id}: {preview.before} → {preview.after}")
    return "\n".join(lines)


def _both(word: str, text: Text) -> str:
    return f"{word} {text.zh} {text.en}"
