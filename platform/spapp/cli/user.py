"""`wxsp user`: people."""

from __future__ import annotations

import sys

import click

from spapp.accounts.people import AdminMade
from spapp.cli.common import as_json, show
from spapp.cli.work import run
from spapp.wiring import Services
from spcore.audit.actor import Actor

CLI = Actor("cli", None, "wxsp")


@click.group()
def user() -> None:
    """人员 people."""


@user.command("create-admin")
@as_json
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, help="从标准输入读取密码 read the password from stdin")
def create_admin(email: str, password_stdin: bool, as_json: bool) -> None:
    """新建平台管理员 make a platform administrator; prints a one-time link unless a password is given."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None

    async def work(services: Services) -> tuple[AdminMade, str]:
        made = await services.people.create_admin(email, CLI, password=password)
        return made, services.settings.public_url

    made, public_url = run(work)
    answer = {"id": made.person_id, "email": made.email}
    human = f"{made.email} {made.person_id}"
    if made.link_token is not None:
        answer["setup_url"] = f"{public_url}/setup/{made.link_token}"
        human += f"\n一小时内打开此链接设置密码 set the password within an hour:\n{answer['setup_url']}"
    show(answer, machine=as_json, human=human)


@user.command("reset-second-factor")
@as_json
@click.option("--email", required=True)
def reset_second_factor(email: str, as_json: bool) -> None:
    """重置两步验证 forget a lost authenticator and its recovery codes; the password stays."""

    async def work(services: Services) -> str:
        return await services.second_factors.reset(email, CLI)

    show({"id": run(work)}, machine=as_json, human=f"{email} 已重置两步验证 second factor removed")
