"""A whole installation as an outsider meets it: programs as processes, HTTP and the command line."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.certificates import client_certificate

CLI = [sys.executable, "-P", "-m", "spapp.cli"]
CODE_ROOTS = [str(Path(__file__).parents[2] / root) for root in ("platform", "tenants")]
PATIENCE_S = 30.0

PARTNER, BANK, MERCHANT = "1900000109", "1900006511", "1900000333"
COFFEE, FLOWERS, SLOW, MARKET = "1600000021", "1600000038", "1600000077", "1610000052"
COFFEE_APP, COFFEE_PAGE, COFFEE_PHONE = "wx3f8c21d0b7e6a91c", "wx7e40b15c92d8a6f3", "wx5555eeee6666ffff"
SHARED_APP, MARKET_APP, MERCHANT_APP = "wx5a1c0d2e7b9f4836", "wx91d4a7e02c5b8f36", "wx7777777777777777"
PASSWORD = "violet otter 91 crossing"


def _key() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


def import_document() -> dict[str, Any]:
    """Return an import file with a partner, a bank and a plain merchant; keys are new each time."""
    shared = {"sub_appid": SHARED_APP, "kind": "miniprogram", "owner": "provider", "app_secret": _key()}
    return {
        "providers": [
            _provider("云启支付服务", "ordinary", PARTNER, "wx8888888888888888", "HMAC-SHA256")
            | {
                "members": [
                    _person("owner@example.com", "provider_owner"),
                    _person("viewer@example.com", "provider_viewer"),
                ],
                "tenants": [
                    _tenant(
                        "晨曦咖啡",
                        COFFEE,
                        [
                            _mini(COFFEE_APP, "merchant"),
                            shared,
                            {"sub_appid": COFFEE_PAGE, "kind": "official_account", "owner": "merchant"},
                            {"sub_appid": COFFEE_PHONE, "kind": "app", "owner": "merchant"},
                        ],
                    )
                    | {
                        "members": [{"email": "b@example.com", "role": "merchant_user", "password": PASSWORD}]
                    },
                    _tenant("山野花店", FLOWERS, [shared]),
                    _tenant("限流小店", SLOW, []) | {"limits": {"server_per_second": 3}},
                ],
            },
            _provider("江南银行收单", "bank", BANK, "wx2421b1c4370ec43b", "MD5")
            | {"tenants": [_tenant("运河超市", MARKET, [_mini(MARKET_APP, "channel")])]},
            _provider("独立商户", "merchant", MERCHANT, MERCHANT_APP, "HMAC-SHA256")
            | {"tenants": [_tenant("独立商户", None, [_mini(MERCHANT_APP, "merchant")])]},
        ],
        "admins": [_person("root@example.com", "platform_admin")],
    }


def _provider(name: str, kind: str, mch_id: str, appid: str, sign_type: str) -> dict[str, Any]:
    certificate = client_certificate(mch_id)
    return {
        "name": name,
        "mode": "test",
        "kind": kind,
        "mch_id": mch_id,
        "appid": appid,
        "api_version": "v2",
        "sign_type": sign_type,
        "api_v2_key": _key(),
        "client_cert_pem": certificate.cert_pem.decode(),
        "client_key_pem": certificate.key_pem.decode(),
        "api_keys": [{"name": "ops"}],
    }


def _tenant(name: str, sub_mch_id: str | None, bindings: list[dict[str, Any]]) -> dict[str, Any]:
    tenant = {
        "name": name,
        "status": "live",
        "bindings": bindings,
        "prices": [{"code": "latte", "name": "拿铁", "amount": 1280, "max_quantity": 20}],
        "api_keys": [{"name": "server"}],
    }
    return tenant if sub_mch_id is None else tenant | {"sub_mch_id": sub_mch_id}


def _person(email: str, role: str) -> dict[str, Any]:
    return {"email": email, "role": role, "password": PASSWORD}


def _mini(sub_appid: str, owner: str) -> dict[str, Any]:
    return {"sub_appid": sub_appid, "kind": "miniprogram", "owner": owner, "app_secret": _key()}


def new_openid() -> str:
    return f"o{secrets.token_urlsafe(30)[:27]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Program:
    """One of our programs, running."""

    process: subprocess.Popen[bytes]
    log: Path

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Ask it to end as a service manager would, and return its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            return self.process.wait(25)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise


@dataclass
class Tenant:
    """What a merchant was given: an id, a key, the path WeChat will call, and the secret of its webhook."""

    id: str
    key: str
    notify_url: str
    webhook_secret: str | None = None


@dataclass
class Installation:
    folder: Path
    env: dict[str, str]
    url: str
    simulator_url: str
    simulator_tls_url: str
    programs: list[Program] = field(default_factory=list)
    tenants: dict[str | None, Tenant] = field(default_factory=dict)
    provider_keys: dict[str, str] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.api = httpx.Client(base_url=self.url, trust_env=False, timeout=20.0)
        self.phone = httpx.Client(base_url=self.simulator_url, trust_env=False, timeout=20.0)

    # --- programs -----------------------------------------------------------------------------

    def start(self, *arguments: str, name: str, answers: str | None = None) -> Program:
        log = self.folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*CLI, *arguments],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        program = Program(process, log)
        self.programs.append(program)
        if answers is not None:
            self.wait(answers, program)
        return program

    def start_simulator(self) -> Program:
        """Start WeChat; its books are in a file, so that it can be stopped and come back."""
        return self.start(
            "simulator",
            *("--port", self.simulator_url.rsplit(":", 1)[1]),
            *("--tls-port", self.simulator_tls_url.rsplit(":", 1)[1]),
            *("--database", str(self.folder / "wechat.db")),
            name="simulator",
        )

    def wait(self, url: str, program: Program) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if program.process.poll() is not None:
                raise AssertionError(f"ended by itself:\n{program.output()}")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, trust_env=False).status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{url} did not answer 200:\n{program.output()}")

    def command(
        self, *arguments: str, given: bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*CLI, *arguments],
            cwd=self.folder,
            env=self.env | (env or {}),
            input=given,
            capture_output=True,
            timeout=60,
            check=False,
        )

    def ask(self, *arguments: str) -> Any:
        """Run a command that must succeed and return what it printed for machines."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def close(self) -> None:
        self.api.close()
        self.phone.close()
        for program in reversed(self.programs):
            program.stop()

    # --- what people and programs outside do -----------------------------------------------------

    def fill(self, document: dict[str, Any] | None = None) -> None:
        """Register everybody with the simulator and import them."""
        self.document = document or import_document()
        self.control("providers", self.document)
        done = self.command("import", "-", "--json", given=json.dumps(self.document).encode())
        assert done.returncode == 0, done.stderr.decode()
        for provider in json.loads(done.stdout)["providers"]:
            self.provider_keys[provider["mch_id"]] = provider["api_keys"][0]["secret"]
            for tenant in provider["tenants"]:
                self.tenants[tenant["sub_mch_id"]] = Tenant(
                    tenant["id"],
                    tenant["api_keys"][0]["secret"],
                    tenant["notify_urls"]["v2"]["payment"],
                    next((made["secret"] for made in tenant["webhooks"]), None),
                )

    def control(self, what: str, document: dict[str, Any] | None = None) -> Any:
        answer = self.phone.post(f"/_sim/{what}", json=document or {})
        assert answer.is_success, answer.text
        return answer.json()

    def clear_faults(self) -> None:
        assert self.phone.delete("/_sim/faults").is_success

    def books(self, out_trade_no: str | None = None) -> Any:
        params = {} if out_trade_no is None else {"out_trade_no": out_trade_no}
        return self.phone.get("/_sim/ledger", params=params).json()

    def call(self, method: str, path: str, token: str, body: Any = None, **headers: str) -> httpx.Response:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.api.request(method, path, json=body, headers=headers)

    def log_in(self, sub_mch_id: str | None, appid: str, openid: str) -> str:
        """Return a mini-program session token of this payer at this tenant."""
        code = self.control("codes", {"appid": appid, "openid": openid})["code"]
        answer = self.call(
            "POST",
            f"/v1/mini/{self.tenants[sub_mch_id].id}/sessions",
            "",
            {"sub_appid": appid, "code": code},
        )
        assert answer.status_code == 201, answer.text
        token: str = answer.json()["token"]
        return token

    def order(self, sub_mch_id: str | None, /, **fields: Any) -> Any:
        """Create an order as the tenant's server and return it."""
        answer = self.try_order(sub_mch_id, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def try_order(self, sub_mch_id: str | None, /, **fields: Any) -> httpx.Response:
        body = {
            "merchant_order_no": f"T{secrets.token_hex(8)}",
            "amount": 1280,
            "description": "拿铁",
            "trade_type": "NATIVE",
        }
        return self.call("POST", "/v1/orders", self.tenants[sub_mch_id].key, body | fields)

    def read(self, sub_mch_id: str | None, order_id: str) -> Any:
        answer = self.call("GET", f"/v1/orders/{order_id}", self.tenants[sub_mch_id].key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def until(self, sub_mch_id: str | None, order_id: str, status: str) -> Any:
        """Wait until the order is in `status` and return it."""
        deadline = time.monotonic() + PATIENCE_S
        while (order := self.read(sub_mch_id, order_id))["status"] != status:
            assert time.monotonic() < deadline, order
            time.sleep(0.05)
        return order

    def until_notified(self, out_trade_no: str, attempts: int = 1) -> list[Any]:
        """Wait until WeChat tried that often to notify and return the attempts."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            made = [a for n in self.books(out_trade_no)["notifications"] for a in n["attempts"]]
            if len(made) >= attempts:
                return made
            assert time.monotonic() < deadline, made
            time.sleep(0.05)

    def events(self, sub_mch_id: str | None, order_id: str) -> list[Any]:
        answer = self.call("GET", "/v1/events?limit=100", self.tenants[sub_mch_id].key)
        return [event for event in answer.json()["data"] if event["data"]["id"] == order_id]

    def ledger(self) -> list[Any]:
        done = self.command("ledger", "export")
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]


@contextlib.contextmanager
def installed(folder: Path, database_url: str) -> Iterator[Installation]:
    """Run simulator, web and (on PostgreSQL) a worker over a migrated database, with everybody imported."""
    with bare(folder, database_url) as made:
        simulator = made.start_simulator()
        web = made.start("serve", "--port", made.url.rsplit(":", 1)[1], name="web")
        if database_url.startswith("postgresql"):
            made.start("worker", name="worker")
        made.wait(f"{made.simulator_url}/_sim/ca", simulator)
        made.wait(f"{made.url}/readyz", web)
        made.fill()
        yield made


@contextlib.contextmanager
def bare(folder: Path, database_url: str) -> Iterator[Installation]:
    """An installation in which nothing runs yet."""
    web, plain, secure = free_port(), free_port(), free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("WXSP_")}
    made = Installation(
        folder,
        env
        | {
            "PYTHONPATH": os.pathsep.join(CODE_ROOTS),
            "WXSP_DATABASE_URL": database_url,
            "WXSP_MASTER_KEY": "A" * 43,
            "WXSP_PUBLIC_URL": f"http://127.0.0.1:{web}",
            "WXSP_SIMULATOR_URL": f"http://127.0.0.1:{plain}",
            "WXSP_SIMULATOR_TLS_URL": f"https://127.0.0.1:{secure}",
        },
        f"http://127.0.0.1:{web}",
        f"http://127.0.0.1:{plain}",
        f"https://127.0.0.1:{secure}",
    )
    try:
        yield made
    finally:
        made.close()
