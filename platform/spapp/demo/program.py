"""The demo from start to Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import click

from spapp import startup
from spapp.demo import bills, example, seed, store
from spapp.demo.children import Child, free_ports, stop
from spapp.demo.clients import Platform, Shop, WeChat
from spapp.demo.courier import HEARD
from spapp.demo.store import VAR, Memory
from spapp.demo.walk import walk
from spapp.importer.apply import import_document
from spapp.wiring import build
from spcore import logs
from spcore.settings import Settings

PORTS = (8000, 8100, 8101)
READY_WITHIN_S = 30.0


def run(*, fresh: bool, stay: bool) -> None:
    """Start everything, show one payment, and stay until a signal. Raises ChildFailed, DemoFailed."""
    if fresh:
        store.wipe()
    ending = threading.Event()
    _listen(ending)
    web, plain, tls = free_ports(PORTS)
    env = _environment(web, plain, tls)
    settings = Settings.from_env(env)
    logs.configure(settings.log_level)
    click.echo("微信支付服务商平台 · 演示  WeChat Pay service-provider platform, demo")
    children = _start(env, settings, (web, plain, tls))
    try:
        memory = asyncio.run(_fill_and_walk(settings))
        _tell(settings, memory)
        if stay:
            _stay(ending, children)
    finally:
        # A second Ctrl-C must not leave programs behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop(children)
        click.echo("已停止 stopped")


def _environment(web: int, plain: int, tls: int) -> dict[str, str]:
    return {
        "WXSP_LOG_LEVEL": "warning",
        **os.environ,
        "WXSP_PUBLIC_URL": f"http://127.0.0.1:{web}",
        "WXSP_SIMULATOR_URL": f"http://127.0.0.1:{plain}",
        "WXSP_SIMULATOR_TLS_URL": f"https://127.0.0.1:{tls}",
        # The demo's worker is a program of its own: it plays the shops' server as well.
        "WXSP_EMBEDDED_WORKER": "0",
    }


def _start(env: Mapping[str, str], settings: Settings, ports: Sequence[int]) -> list[Child]:
    """Start simulator and web side by side and wait until both may take money."""
    web, plain, tls = (str(port) for port in ports)
    books = str(VAR / "simulator.db")
    arguments = ["simulator", "--port", plain, "--tls-port", tls, "--database", books]
    simulator = Child("simulator", arguments, env, VAR / "demo-simulator.log")
    children = [simulator]
    try:
        asyncio.run(startup.prepare(settings))
        serve = Child("serve", ["serve", "--port", web], env, VAR / "demo-web.log")
        children.append(serve)
        log = VAR / "demo-worker.log"
        children.append(Child("worker", [], env, log, module="spapp.demo.courier"))
        simulator.wait_until_answers(f"{settings.simulator_url}/_sim/ca", READY_WITHIN_S)
        serve.wait_until_answers(f"{settings.public_url}/readyz", READY_WITHIN_S)
    except BaseException:
        stop(children)
        raise
    return children


async def _fill_and_walk(settings: Settings) -> Memory:
    memory = store.load() or Memory(example.document())
    example.complete(memory.document)
    store.save(memory)
    platform, wechat = Platform(settings.public_url), WeChat(settings.simulator_url)
    try:
        example.take_public_keys(memory.document, await wechat.register(memory.document))
        await _import(settings, memory)
        store.save(memory)
        shops = _shops(memory)
        first = not memory.is_seeded
        if first:
            count = await seed.seed(platform, wechat, shops)
            memory.is_seeded = True
            store.save(memory)
            click.echo(f"已生成 {count} 笔示例订单 · {count} example orders were made")
        await walk(platform, wechat, shops[0])
        if first:
            await _compare(settings, wechat, memory)
    finally:
        await platform.close()
        await wechat.close()
    return memory


async def _compare(settings: Settings, wechat: WeChat, memory: Memory) -> None:
    services = build(settings)
    try:
        mch_ids = [provider["mch_id"] for provider in memory.document["providers"]]
        for bill in await bills.compare(services, wechat, mch_ids):
            click.echo(bills.told(bill))
    finally:
        await services.close()


async def _import(settings: Settings, memory: Memory) -> None:
    """Import the example; a key is told only when it is made, so that it is remembered from then on."""
    services = build(settings)
    try:
        document = store.as_bytes(memory.document)
        result = await import_document(
            services.database, services.vault, services.clock, document, settings.public_url
        )
    finally:
        await services.close()
    for provider in result.to_json()["providers"]:
        for tenant in provider["tenants"]:
            kept = memory.tenants.setdefault(tenant["sub_mch_id"], {})
            kept["id"] = tenant["id"]
            for key in tenant["api_keys"]:
                if "secret" in key:
                    kept["key"] = key["secret"]
            for webhook in tenant["webhooks"]:
                if "secret" in webhook:
                    kept["webhook_secret"] = webhook["secret"]


def _shops(memory: Memory) -> list[Shop]:
    return [
        Shop(
            tenant_id=memory.tenants[tenant["sub_mch_id"]]["id"],
            name=tenant["name"],
            sub_mch_id=tenant["sub_mch_id"],
            key=memory.tenants[tenant["sub_mch_id"]]["key"],
            mini_program=next(b["sub_appid"] for b in tenant["bindings"] if b["kind"] == "miniprogram"),
            prices=tuple((price["code"], price["name"], price["amount"]) for price in tenant["prices"]),
        )
        for provider in memory.document["providers"]
        for tenant in provider["tenants"]
    ]


def _tell(settings: Settings, memory: Memory) -> None:
    base = settings.public_url
    click.echo("")
    click.echo(f"  控制台 console    {base}/login")
    click.echo(f"  接口文档 API      {base}/docs")
    click.echo(f"  模拟器 simulator  {settings.simulator_url}/_sim/")
    click.echo(f"  日志 logs         {VAR}/demo-web.log  {VAR}/demo-worker.log  {VAR}/demo-simulator.log")
    click.echo(f"  事件 webhooks     {HEARD}")
    click.echo("")
    click.echo("  登录名与密码 sign-in names and passwords（保存在 kept in var/demo.json）")
    for person in _people(memory.document):
        click.echo(f"    {person['email']:26} {person['password']:18} {person['role']}")
    click.echo("")


def _people(document: Mapping[str, Any]) -> list[dict[str, str]]:
    people: list[dict[str, str]] = list(document["admins"])
    for provider in document["providers"]:
        people.extend(provider["members"])
        for tenant in provider["tenants"]:
            people.extend(tenant["members"])
    return people


def _listen(ending: threading.Event) -> None:
    """Turn the first signal into an orderly end, wherever it arrives."""

    def end(_number: int, _frame: FrameType | None) -> None:
        ending.set()
        raise KeyboardInterrupt

    # A program started in the background inherits "ignore SIGINT"; an interrupt has to end it all the same.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _stay(ending: threading.Event, children: Sequence[Child]) -> None:
    click.echo("按 Ctrl-C 停止 · press Ctrl-C to stop")
    try:
        while not ending.wait(1.0):
            for child in children:
                child.require_running()
    except KeyboardInterrupt:
        click.echo("")
