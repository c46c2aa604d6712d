"""The server examples of the kit really run: an order for pay.js, and a webhook that is verified (B-14).

Python and Node always; PHP and Java where the machine has them.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook
from tests.kit.conftest import NODE, Phone
from tests.support.installation import COFFEE, COFFEE_APP, Installation, free_port

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
PATIENCE_S = 20.0


def command(language: str, folder: Path, port: int) -> list[str]:
    """How the example of this language is started; skips when the machine does not have it."""
    match language:
        case "python":
            return [sys.executable, str(folder / "server.py")]
        case "node":
            return [*NODE, str(folder / "server.js")]
    program = shutil.which(language)
    if program is None:
        pytest.skip(f"{language} is not installed on this machine")
    if language == "php":
        return [program, "-S", f"127.0.0.1:{port}", str(folder / "server.php")]
    return [program, str(folder / "Server.java")]


@pytest.fixture(params=["python", "node", "php", "java"])
def server(
    request: pytest.FixtureRequest, kit: Path, house: Installation, tmp_path: Path
) -> Iterator[httpx.Client]:
    port = free_port()
    started = command(request.param, kit / "server" / request.param, port)
    environment = os.environ | {
        "PAY_API_BASE": house.url,
        "PAY_API_KEY": house.tenants[COFFEE].key,
        "PAY_WEBHOOK_SECRET": SECRET,
        "PAY_SUB_APPID": COFFEE_APP,
        "PORT": str(port),
    }
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(started, env=environment, stdout=log, stderr=log, cwd=tmp_path)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
                _await(client, process, tmp_path / "server.log")
                yield client
        finally:
            process.terminate()
            process.wait(timeout=20)


def _await(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.post("/nowhere", content=b"{}")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text(encoding="utf-8"))


def event(order: dict[str, Any]) -> bytes:
    told = {"type": "payment.succeeded", "timestamp": order["created_at"], "sequence": 1, "data": order}
    return json.dumps(told).encode()


def signed(body: bytes, *, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(at.timestamp())),
        # During a rotation there are two; the one that fits may be the second.
        "webhook-signature": f"v1,AAAA {Webhook(secret).sign('evt_1', at, body.decode())}",
    }


def test_it_makes_orders_once_and_believes_only_signed_events(
    server: httpx.Client, house: Installation, phone: Phone
) -> None:
    number = f"C{time.time_ns()}"
    answers = [server.post("/buy", json={"order_no": number, "item": "latte"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    first, again = (answer.json()["order_id"] for answer in answers)
    assert first == again, "its own number makes repeating safe"
    assert server.post("/buy", json={"order_no": f"{number}x", "item": "gold"}).status_code == 422

    assert phone(["pay", {"orderId": first}], cashier="pays").only["status"] == "paid"
    order = house.read(COFFEE, first)
    assert (order["amount"], order["merchant_order_no"]) == (1280, number)

    body = event(order)
    old = datetime.now(UTC) - timedelta(minutes=6)
    refused = (
        (body, signed(body, at=old)),
        (body, signed(body, secret="whsec_" + base64.b64encode(b"x" * 24).decode())),
        (body.replace(b"1280", b"1281"), signed(body)),
        (body, {}),
    )
    for content, headers in refused:
        assert server.post("/webhook", content=content, headers=headers).status_code == 401
    for _ in range(2):
        assert server.post("/webhook", content=body, headers=signed(body)).status_code == 204


def test_it_says_why_when_the_platform_refuses(server: httpx.Client) -> None:
    answer = server.post("/buy", json={"order_no": "not allowed: 空格", "item": "latte"})

    assert answer.status_code == 502
    assert answer.json()["error"] == "invalid_request"
