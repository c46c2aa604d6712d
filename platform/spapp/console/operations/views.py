"""Health, settings and certificates as templates show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.engine import make_url

from spapp.console.credentials.views import Expiry, FetchView
from spapp.console.frame.words import Chip
from spapp.health import HEARTBEAT_STALE, Check
from spapp.web.i18n import N_
from spcore.errors import Text
from spcore.providers.profile import ProviderProfile
from spcore.settings import Settings

_CHECKS = {
    "database": (
        N_("数据库"),
        Text("检查数据库是否在运行、地址是否正确。", "See that the database runs and its address is right."),
    ),
    "migrations": (N_("数据库结构"), Text("运行 wxsp db upgrade。", "Run wxsp db upgrade.")),
    "master_key": (
        N_("主密钥"),
        Text(
            "WXSP_MASTER_KEY 打不开已存的密钥：改回原来的主密钥，或把它一并列出。",
            "WXSP_MASTER_KEY does not open what is stored: put the former key back, or list it too.",
        ),
    ),
    "worker": (
        N_("后台任务"),
        Text("启动 wxsp worker，或查看它的日志。", "Start wxsp worker, or look at its log."),
    ),
}
_DETAILS = {
    "answers": Text("正常应答", "answers"),
    "at_head": Text("与程序一致", "as the program expects"),
    "opens": Text("能打开已存的密钥", "opens what is stored"),
    "nothing_sealed_yet": Text("还没有存过密钥", "nothing is stored yet"),
    "beats": Text("有心跳", "beats"),
    "database_unreachable": Text("连接不上数据库", "the database cannot be reached"),
    "run_wxsp_db_upgrade": Text("与程序不一致", "not as the program expects"),
    "no_heartbeat_for_30_s": Text("30 秒没有心跳", "no heartbeat for 30 s"),
}
PASSES, FAILS = Chip("ok", N_("正常")), Chip("bad", N_("异常"))
ALIVE, SILENT = Chip("ok", N_("运行中")), Chip("mute", N_("已停止"))


@dataclass(frozen=True, slots=True)
class CheckView:
    """One condition for taking money, as /readyz sees it."""

    check: Check

    @property
    def word(self) -> str:
        return _CHECKS[self.check.name][0]

    @property
    def chip(self) -> Chip:
        return PASSES if self.check.ok else FAILS

    @property
    def detail(self) -> Text:
        code = self.check.detail
        return _DETAILS.get(code, Text(code, code))

    @property
    def repair(self) -> Text | None:
        return None if self.check.ok else _CHECKS[self.check.name][1]


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker process, by its last heartbeat."""

    id: str
    started_at: datetime
    at: datetime
    now: datetime

    @property
    def chip(self) -> Chip:
        return ALIVE if self.now - self.at <= HEARTBEAT_STALE else SILENT

    @property
    def runs_for(self) -> timedelta:
        return self.at - self.started_at


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """The API certificate in use of one provider; without one nothing can be refunded."""

    provider: ProviderProfile
    serial: str | None
    expiry: Expiry | None

    @property
    def key(self) -> tuple[bool, float]:
        """Sorts what ends first to the top, and what has none to the end."""
        return (self.expiry is None, self.expiry.not_after.timestamp() if self.expiry else 0.0)


@dataclass(frozen=True, slots=True)
class ProviderExpiry:
    """Everything of one provider that ends, and how the last fetch of platform certificates went."""

    provider: ProviderProfile
    own: CertificateLine
    platform: tuple[CertificateLine, ...]
    """Platform certificates in use, those that end last first."""
    has_public_key: bool
    fetch: FetchView | None

    @property
    def key(self) -> tuple[bool, float]:
        """Sorts what ends first to the top. Only the platform certificate that ends last matters."""
        ends = [line.key for line in (self.own, *self.platform[:1])]
        return min(ends)


@dataclass(frozen=True, slots=True)
class SettingLine:
    """One variable: its value, or for a secret only whether it is set (`value` is None then)."""

    name: str
    word: str
    value: str | None
    is_set: bool = True


def setting_lines(settings: Settings) -> Sequence[SettingLine]:
    """Return what this process was started with. Nothing here can be changed from a page."""
    backend = make_url(settings.database_url.reveal()).get_backend_name()
    proxies = ", ".join(str(network) for network in settings.trusted_proxies)
    switch = {True: "1", False: "0"}
    return (
        SettingLine("WXSP_PUBLIC_URL", N_("对外地址，支付通知与网页都在其下"), settings.public_url),
        SettingLine("WXSP_DATABASE_URL", N_("数据库（只显示种类）"), backend),
        SettingLine("WXSP_MASTER_KEY", N_("主密钥"), None, bool(settings.master_keys)),
        SettingLine("WXSP_GATEWAY_URL", N_("正式环境的微信支付网关"), settings.gateway_url),
        SettingLine("WXSP_GATEWAY_BACKUP_URL", N_("备用网关"), settings.gateway_backup_url),
        SettingLine("WXSP_WEIXIN_API_URL", N_("正式环境的小程序登录"), settings.weixin_api_url),
        SettingLine("WXSP_SIMULATOR_URL", N_("测试环境的模拟器"), settings.simulator_url),
        SettingLine("WXSP_SIMULATOR_TLS_URL", N_("模拟器的双向 TLS 地址"), settings.simulator_tls_url),
        SettingLine(
            "WXSP_CA_BUNDLE",
            N_("额外信任的证书文件"),
            str(settings.ca_bundle or ""),
            settings.ca_bundle is not None,
        ),
        SettingLine("WXSP_TRUSTED_PROXIES", N_("可信代理"), proxies, bool(proxies)),
        SettingLine("WXSP_LOG_LEVEL", N_("日志级别"), settings.log_level),
        SettingLine("WXSP_METRICS_TOKEN", N_("指标页的令牌"), None, settings.metrics_token is not None),
        SettingLine("WXSP_EMBEDDED_WORKER", N_("网站进程内运行后台任务"), switch[settings.embedded_worker]),
        SettingLine("WXSP_WORKERS", N_("网站进程数"), str(settings.workers)),
        SettingLine(
            "WXSP_REQUIRE_SECOND_FACTOR", N_("登录必须两步验证"), switch[settings.require_second_factor]
        ),
    )
