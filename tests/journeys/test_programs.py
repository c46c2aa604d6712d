"""The programs as somebody who runs them sees them (contract sections 1 to 3)."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir

import asyncpg
import httpx
import pytest
from click.testing import CliRunner
from tests.support.databases import admin_dsn, postgres_url, sqlite_url
from tests.support.installation import (
    COFFEE,
    PASSWORD,
    Installation,
    bare,
    free_port,
    import_document,
    installed,
)

from spapp.cli import main

READY_S, RSS_KIB, DRAIN_S = 3.0, 160 * 1024, 20.0


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Installation]:
    with bare(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/var/wxsp.db") as made:
        yield made


@pytest.fixture
def demo_house(empty: Installation) -> Iterator[Installation]:
    """An empty one for the demo, whose ports are fixed: another test process has to wait for them."""
    with Path(gettempdir(), "wxsp-demo-ports.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield empty
        empty.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Installation]:
    """An installation of a test's own, to be stopped and broken."""
    with installed(tmp_path, sqlite_url(tmp_path)) as made:
        yield made


def children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
        except OSError:
            continue
        if f"\nPPid:\t{pid}\n" in text:
            found.append(int(status.parent.name))
    return found


def resident_kib(pid: int) -> int:
    line = next(
        line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1])


def processes_in(folder: Path) -> list[str]:
    """Return the commands of all processes that work in this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def serve(made: Installation, *more: str, name: str = "web") -> float:
    """Start the web and return how many seconds it took to be ready."""
    started = time.monotonic()
    made.start(
        "serve",
        *("--port", made.url.rsplit(":", 1)[1]),
        *more,
        name=name,
        answers=f"{made.url}/readyz",
    )
    return time.monotonic() - started


@pytest.mark.slow
def test_the_web_is_ready_within_three_seconds_and_fits_into_160_mb(empty: Installation) -> None:
    """The best of ten starts, up to the first in time: other tests may keep the machine busy."""
    assert empty.command("db", "upgrade").returncode == 0
    took = []
    for number in range(10):
        took.append(serve(empty, name=f"web-{number}"))
        web = empty.programs[-1].process.pid
        for _ in range(50):
            httpx.get(f"{empty.url}/login", trust_env=False)
        sizes = [resident_kib(pid) for pid in (web, *children_of(web))]
        assert len(sizes) == 2
        assert max(sizes) < RSS_KIB, sizes
        assert empty.programs[-1].stop() == 0
        if took[-1] < READY_S:
            break
    print(f"ready after {min(took):.2f} s, largest process {max(sizes) / 1024:.0f} MiB")
    assert min(took) < READY_S, took


def test_D11_a_request_under_way_is_finished_before_the_web_ends(small: Installation) -> None:
    small.control("faults", {"path": "/pay/unifiedorder", "kind": "delay", "ms": 3000, "times": 1})
    answers: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: answers.append(small.try_order(COFFEE)))
    thread.start()
    time.sleep(1.0)
    web = next(program for program in small.programs if program.log.name == "web.log")

    started = time.monotonic()
    assert web.stop() == 0
    thread.join()

    assert [answer.status_code for answer in answers] == [201]
    assert time.monotonic() - started < DRAIN_S
    assert processes_in(small.folder) != []
    with pytest.raises(httpx.TransportError):
        small.api.get("/healthz")


def test_of_several_web_processes_one_does_the_workers_work(small: Installation, tmp_path: Path) -> None:
    web = next(program for program in small.programs if program.log.name == "web.log")
    web.stop()
    with sqlite3.connect(tmp_path / "wxsp.db") as database:
        database.execute("DELETE FROM worker_heartbeats")

    serve(small, "--workers", "2", name="two")

    assert len(children_of(small.programs[-1].process.pid)) >= 2
    time.sleep(1.0)
    with sqlite3.connect(tmp_path / "wxsp.db") as database:
        assert database.execute("SELECT count(*) FROM worker_heartbeats").fetchone() == (1,)


def test_settings_that_are_wrong_stop_every_program_with_one_line_naming_them_all(
    empty: Installation,
) -> None:
    wrong = {"WXSP_LOG_LEVEL": "loud", "WXSP_WORKERS": "none", "WXSP_COLOUR": "green"}
    for command in (["serve"], ["worker"], ["db", "upgrade"], ["import", "-"]):
        done = empty.command(*command, given=b"{}", env=wrong)
        assert done.returncode == 1, command
        (line,) = done.stderr.decode().strip().splitlines()
        assert all(name in line for name in wrong), command


@pytest.mark.parametrize(
    "arguments",
    [["no-such-command"], ["serve", "--port", "http"], ["import"], ["run-due"], ["user", "create-admin"]],
)
def test_a_command_used_wrongly_ends_with_two(empty: Installation, arguments: list[str]) -> None:
    assert empty.command(*arguments).returncode == 2


def test_help_names_every_command_and_none_that_does_not_work() -> None:
    runner = CliRunner()
    said = runner.invoke(main, ["--help"]).output
    names = [line.split()[0] for line in said.partition("Commands:")[2].splitlines() if line.strip()]
    assert len(names) >= 13
    for name in names:
        assert runner.invoke(main, [name, "--help"]).exit_code == 0, name
    assert runner.invoke(main, ["no-such-command"]).exit_code == 2


def test_the_routes_are_listed_with_area_and_roles(empty: Installation) -> None:
    routes = empty.ask("routes")
    by_path = {(route["method"], route["path"]): route for route in routes}
    assert by_path["POST", "/v1/orders"]["roles"] == ["tenant_key", "provider_key"]
    assert by_path["POST", "/notify/wechat/{route_key}/{version}/{kind}"]["area"] == "notify"
    assert {route["area"] for route in routes} == {
        "api",
        "mini",
        "console",
        "admin",
        "merchant",
        "notify",
        "public",
    }


def test_the_api_document_is_exported(empty: Installation) -> None:
    done = empty.command("openapi", "export")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["openapi"].startswith("3.1")


def test_S17_an_administrators_link_sets_a_password_once(empty: Installation) -> None:
    made = empty.ask("user", "create-admin", "--email", "root@example.com")
    serve(empty)
    with httpx.Client(trust_env=False, headers={"accept": "text/html"}) as browser:
        page = browser.get(made["setup_url"])
        assert page.status_code == 200
        fields = {"csrf_token": browser.cookies["wxsp-csrf"], "password": PASSWORD}
        origin = {"origin": empty.url}
        done = browser.post(made["setup_url"], data=fields, headers=origin)
        assert done.is_redirect
        assert browser.post(made["setup_url"], data=fields, headers=origin).status_code == 410
        fields |= {"email": "root@example.com"}
        assert browser.post(f"{empty.url}/login", data=fields, headers=origin).is_redirect


def test_an_administrators_password_may_come_on_standard_input(empty: Installation) -> None:
    arguments = ["user", "create-admin", "--email", "root@example.com", "--password-stdin", "--json"]
    done = empty.command(*arguments, given=f"{PASSWORD}\n".encode())
    assert done.returncode == 0
    assert set(json.loads(done.stdout)) == {"id", "email"}
    assert empty.command(*arguments, given=b"short\n").returncode == 1


def test_A07_an_edited_audit_row_is_found(small: Installation, tmp_path: Path) -> None:
    assert small.ask("audit", "verify")["ok"] is True
    with sqlite3.connect(tmp_path / "wxsp.db") as database:
        (name,) = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'audit_log_no_update%'"
        ).fetchone()
        database.execute(f"DROP TRIGGER {name}")
        database.execute("UPDATE audit_log SET actor_name = 'somebody' WHERE seq = 2")

    done = small.command("audit", "verify", "--json")

    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert set(found["first_bad"]) == {"chain", "seq", "id", "reason"}
    assert found["first_bad"]["seq"] == 2


def test_the_ledger_of_a_tenant_that_does_not_exist_is_refused_and_not_empty(small: Installation) -> None:
    done = small.command("ledger", "export", "--tenant", "ten_01JD3K8W7Q4M6X0B2T9V5H1CZN")
    assert done.returncode == 1
    assert done.stdout == b""


def test_one_order_can_be_asked_about_by_hand(small: Installation) -> None:
    order = small.order(COFFEE)
    assert small.ask("order", "sync", order["id"])["status"] == "pending"
    assert small.command("order", "sync", "ord_01JD3K8W7Q4M6X0B2T9V5H1CZN").returncode == 1


def test_a_live_provider_needs_https(empty: Installation) -> None:
    document = import_document()
    document["providers"] = document["providers"][:1]
    document["providers"][0]["mode"] = "live"
    env = {"WXSP_PUBLIC_URL": "https://pay.example.com"}
    done = empty.command("import", "-", given=json.dumps(document).encode(), env=env)
    assert done.returncode == 0, done.stderr.decode()

    refused = empty.command("serve", "--port", str(free_port()))

    assert refused.returncode == 1
    assert "WXSP_PUBLIC_URL" in refused.stderr.decode()


def test_postgresql_that_is_not_migrated_stops_the_start_and_says_how(tmp_path: Path) -> None:
    url = postgres_url()

    async def forget() -> None:
        connection = await asyncpg.connect(**admin_dsn(url))
        await connection.execute("UPDATE alembic_version SET version_num = '0000'")
        await connection.close()

    asyncio.run(forget())
    with bare(tmp_path, url) as made:
        for command in (["serve", "--port", str(free_port())], ["worker"], ["run-due", "--once"]):
            done = made.command(*command)
            assert done.returncode == 1, command
            assert "wxsp db upgrade" in done.stderr.decode(), command


def test_a_database_role_that_walls_do_not_bind_stops_the_start(tmp_path: Path) -> None:
    """Decision 11: row-level security means nothing to a superuser."""
    url = postgres_url().replace("//wxsp_app@", "//postgres@")
    with bare(tmp_path, url) as made:
        done = made.command("serve", "--port", str(free_port()))
    assert done.returncode == 1
    assert "BYPASSRLS" in done.stderr.decode()


def test_a_database_that_cannot_be_reached_stops_the_start(tmp_path: Path) -> None:
    with bare(tmp_path, f"postgresql+asyncpg://wxsp:CANARY@127.0.0.1:{free_port()}/wxsp") as made:
        done = made.command("serve", "--port", str(free_port()))
    assert done.returncode == 1
    assert "WXSP_DATABASE_URL" in done.stderr.decode()
    assert "CANARY" not in done.stderr.decode()


@pytest.mark.parametrize(
    ("path", "limit", "status"),
    [("/v1/orders", 256 * 1024, 413), ("/notify/wechat/x/v2/payment", 64 * 1024, 200)],
)
def test_X09_a_body_over_the_limit_is_refused_announced_or_not(
    house: Installation, path: str, limit: int, status: int
) -> None:
    too_much = b"x" * (limit + 1)
    announced = httpx.post(f"{house.url}{path}", content=too_much, trust_env=False)
    assert announced.status_code == status
    assert b"SUCCESS" not in announced.content

    chunked = httpx.post(
        f"{house.url}{path}", content=iter([too_much[:1000], too_much[1000:]]), trust_env=False
    )
    assert "content-length" not in chunked.request.headers
    assert chunked.status_code == status
    assert b"SUCCESS" not in chunked.content


@pytest.mark.slow
def test_the_demo_pays_once_prints_each_step_and_leaves_nothing_running(demo_house: Installation) -> None:
    empty = demo_house
    env = {name: value for name, value in empty.env.items() if not name.startswith("WXSP_")}
    empty.env.clear()
    empty.env.update(env)
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(("127.0.0.1", 8000))
        taken.listen()
    except OSError:
        pass  # somebody else has it, which is just as good
    with taken:
        first = empty.command("demo", "--once")
        again = empty.command("demo", "--once")

    for done in (first, again):
        said = done.stdout.decode()
        assert done.returncode == 0, said + done.stderr.decode()
        assert "支付成功 paid ord_" in said
        assert "http://127.0.0.1:8000/" not in said
        assert "admin@wxsp.example" in said
    kept = json.loads((empty.folder / "var" / "demo.json").read_text())
    password = kept["document"]["admins"][0]["password"]
    assert password in first.stdout.decode()
    assert password in again.stdout.decode()
    assert (empty.folder / "var" / "demo.json").stat().st_mode & 0o777 == 0o600
    assert processes_in(empty.folder) == []

    fresh = empty.command("demo", "--once", "--fresh")
    assert fresh.returncode == 0
    assert password not in fresh.stdout.decode()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_the_demo_ends_its_programs_end_with_it(
    demo_house: Installation, number: signal.Signals
) -> None:
    empty = demo_house
    for name in [name for name in empty.env if name.startswith("WXSP_")]:
        del empty.env[name]
    demo = empty.start("demo", name="demo")
    deadline = time.monotonic() + 60
    while "Ctrl-C" not in demo.output():
        assert demo.process.poll() is None, demo.output()
        assert time.monotonic() < deadline, demo.output()
        time.sleep(0.1)
    assert len(processes_in(empty.folder)) >= 3

    os.kill(demo.process.pid, number)
    demo.process.wait(25)

    deadline = time.monotonic() + 20
    while (left := processes_in(empty.folder)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    if number is not signal.SIGKILL:
        assert demo.process.returncode == 0
        assert "Traceback" not in demo.output()
