"""What has to be done on WeChat's side for one sub-merchant: where, how, what to copy, whether it is done.

Sources: pay.weixin.qq.com/doc/v2/partner/4011981636 (appids of a sub-merchant), WeChat's help on payment
directories, developers.weixin.qq.com on request domains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from spcore.errors import Text
from sptenants.onboarding.records import Dossier
from sptenants.onboarding.steps import Step
from sptenants.registry.reader import BindingRow
from sptenants.registry.wechat_side import REQUEST_DOMAIN, SIGNED, Tick, binding_tick

DIRECTORIES = "directories"


@dataclass(frozen=True, slots=True)
class Task:
    """One thing to do. `copy` are values to paste there; `proven` when WeChat itself has shown it is done."""

    code: str
    step: Step
    title: Text
    where: Text
    steps: tuple[Text, ...]
    copy: tuple[str, ...] = ()
    proven: bool = False
    refuted: bool = False
    ticked_by: str | None = None
    ticked_at: datetime | None = None

    @property
    def is_directories(self) -> bool:
        return self.code == DIRECTORIES

    @property
    def done(self) -> bool:
        return not self.refuted and (self.proven or self.ticked_at is not None)


def tasks(dossier: Dossier, public_url: str) -> tuple[Task, ...]:
    """Return everything that has to be done on WeChat's side, in the order of the steps."""
    return tuple(_all(dossier, public_url))


def _all(dossier: Dossier, public_url: str) -> Iterator[Task]:
    if not dossier.facts.plain:
        yield _signing(dossier)
    for row in dossier.detail.bindings:
        yield _binding(row, dossier.ticks.get(binding_tick(row.id)))
    if dossier.facts.needs_directories:
        yield _directories(dossier)
    if dossier.facts.has_miniprogram:
        yield _request_domain(dossier.ticks.get(REQUEST_DOMAIN), urlsplit(public_url).hostname or public_url)


def _signing(dossier: Dossier) -> Task:
    tick = dossier.ticks.get(SIGNED)
    saved = dossier.saved.get(Step.NUMBER)
    number = dossier.detail.tenant.sub_mch_id
    return Task(
        code=SIGNED,
        step=Step.NUMBER,
        title=Text("完成特约商户签约", "Sign as a sub-merchant"),
        where=Text("服务商平台 → 特约商户管理", "Partner platform → Sub-merchants (特约商户管理)"),
        steps=(
            Text(
                "服务商提交进件后，商户管理员会收到微信支付的签约通知。", "WeChat Pay invites the merchant."
            ),
            Text(
                "管理员用微信扫码，核对主体与结算账户，完成签约。",
                "Its administrator scans the code and signs.",
            ),
            Text(
                "签约后，特约商户号会出现在列表中。", "The number then stands in the list of sub-merchants."
            ),
        ),
        copy=(number,) if number else (),
        proven=saved is not None and saved.done_at is not None,
        **_said(tick),
    )


def _binding(row: BindingRow, tick: Tick | None) -> Task:
    called = f"{row.name} {row.sub_appid}" if row.name else row.sub_appid
    return Task(
        code=binding_tick(row.id),
        step=Step.BINDINGS,
        title=Text(f"绑定 AppID：{called}", f"Bind the appid {called}"),
        where=Text(
            "服务商平台 → 服务商功能 → 子商户管理 → 开发配置 → 特约商户APPID配置",
            "Partner platform → Sub-merchants → Development (开发配置) → Appids (特约商户APPID配置)",
        ),
        steps=(
            Text(
                "登录微信支付服务商平台，找到该特约商户。",
                "Sign in to the partner platform, find the merchant.",
            ),
            Text("在「特约商户APPID配置」中添加下面的 AppID。", "Add the appid below to its appids."),
            Text(
                "如收到关联申请，由该应用的管理员在公众平台「微信支付」中确认。",
                "If a request to link arrives, the app's administrator accepts it in WeChat's console.",
            ),
        ),
        copy=(row.sub_appid,),
        proven=row.status == "verified",
        refuted=row.status == "invalid",
        **_said(tick),
    )


def _directories(dossier: Dossier) -> Task:
    known = dossier.directories
    confirmed = [row for row in known if row.confirmed_at is not None]
    all_there = bool(known) and len(confirmed) == len(known)
    return Task(
        code=DIRECTORIES,
        step=Step.DIRECTORIES,
        title=Text("添加公众号支付目录", "Add the payment directories"),
        where=Text(
            "服务商平台 → 服务商功能 → 子商户管理 → 开发配置 → 支付授权目录",
            "Partner platform → Sub-merchants → Development (开发配置) → Payment directories (支付授权目录)",
        ),
        steps=(
            Text("逐条添加下面的目录，大小写和结尾的 / 都要一致。", "Add each of them, letter for letter."),
            Text("保存后约 5–10 分钟生效。", "They count after 5 to 10 minutes."),
        ),
        copy=tuple(row.url for row in known),
        ticked_by=confirmed[0].confirmed_by if all_there else None,
        ticked_at=confirmed[0].confirmed_at if all_there else None,
    )


def _request_domain(tick: Tick | None, host: str) -> Task:
    return Task(
        code=REQUEST_DOMAIN,
        step=Step.NOTIFY,
        title=Text("添加小程序 request 合法域名", "Allow our host in the mini-program"),
        where=Text(
            "小程序后台 → 开发管理 → 服务器域名 → request 合法域名",
            "Mini-program console → Development → Server domains → request",
        ),
        steps=(
            Text(
                "用小程序管理员账号登录 mp.weixin.qq.com。", "Sign in to mp.weixin.qq.com as administrator."
            ),
            Text(
                "在 request 合法域名中添加下面的地址并保存。", "Add the address below to the request domains."
            ),
        ),
        copy=(f"https://{host}",),
        **_said(tick),
    )


def _said(tick: Tick | None) -> dict[str, Any]:
    return {} if tick is None else {"ticked_by": tick.by, "ticked_at": tick.at}
