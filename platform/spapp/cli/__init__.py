"""The program `wxsp`: one file a command group, each loaded only when it is used, so that help is quick."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "serve": ("spapp.cli.serve:serve", "网站、API 与通知 web: API, notifications, console"),
    "worker": ("spapp.cli.worker:worker", "后台任务 background work; any number may run"),
    "simulator": ("spapp.cli.simulator:simulator", "本机微信支付模拟器 WeChat Pay on this machine"),
    "demo": ("spapp.cli.demo:demo", "完整演示 simulator, web, worker and one payment"),
    "import": ("spapp.cli.importing:import_file", "导入服务商与商户 create or update from one JSON file"),
    "db": ("spapp.cli.db:db", "数据库 migrations: upgrade, check"),
    "user": ("spapp.cli.user:user", "人员 people: create-admin, reset-second-factor"),
    "provider": ("spapp.cli.provider:provider", "服务商 a service provider: rotate its keys"),
    "doctor": ("spapp.cli.doctor:doctor", "接入体检 the preflight rows; exit 1 on any failed row"),
    "audit": ("spapp.cli.audit:audit", "操作日志 the audit log: verify"),
    "ledger": ("spapp.cli.ledger:ledger", "订单流水 orders and refunds: export"),
    "bill": ("spapp.cli.bill:bill", "对账单 bills of one day: fetch and compare"),
    "order": ("spapp.cli.order:order", "订单 one order: sync, adopt"),
    "notify": ("spapp.cli.notify:notify", "支付通知 one notification: replay"),
    "inspect": ("spapp.cli.inspect:inspect", "签名检查 what is wrong with a signature"),
    "heals": ("spapp.cli.heals:heals", "自愈记录 what was put right by itself"),
    "run-due": ("spapp.cli.run_due:run_due", "立即执行到期任务 run everything that is due, then exit"),
    "tenant": ("spapp.cli.tenant:tenant", "特约商户 sub-merchants: import a list"),
    "kit": ("spapp.cli.kit:kit", "小程序接入包 the mini-program kit: build"),
    "openapi": ("spapp.cli.openapi:openapi", "API 描述 the OpenAPI document: export"),
    "routes": ("spapp.cli.routes:routes", "所有路由 every HTTP route and who may call it"),
}


class _LazyGroup(click.Group):
    """Knows its commands by name; imports a command's module when the command is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _COMMANDS.items()])


@click.command(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wxsp", message="%(version)s")
def main() -> None:
    """微信支付服务商平台 WeChat Pay service-provider platform.

    配置只来自环境变量 WXSP_… Configuration comes from the environment only.
    """
