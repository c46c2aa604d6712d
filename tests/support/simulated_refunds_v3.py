"""What a merchant's server sends for refunds by v3, and how it reads what WeChat posts to it."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from tests.support.simulated import COFFEE, Receiver
from tests.support.simulated_v3 import SIGNED, V3_KEY, V3Desk, opened, prepay

REFUNDS = "/v3/refund/domestic/refunds"
NUMBER = "T0000001"


def refunding(refund: str = "R000001", number: str = NUMBER, amount: int = 500, **changes: Any) -> Any:
    """A right refund of the coffee shop, with changes; None leaves a field out."""
    body = {
        "sub_mchid": COFFEE,
        "out_trade_no": number,
        "out_refund_no": refund,
        "amount": {"refund": amount, "total": 1280, "currency": "CNY"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


def asking_refund(refund: str = "R000001", sub_mchid: str = COFFEE) -> str:
    """The target of a refund query."""
    return f"{REFUNDS}/{refund}?sub_mchid={sub_mchid}"


async def pay(desk: V3Desk, number: str = NUMBER, **changes: Any) -> dict[str, Any]:
    """Make an order and pay it."""
    await desk.place(body=prepay(number, **changes))
    return dict(await desk.control("pay", out_trade_no=number))


async def refund(desk: V3Desk, *args: Any, **changes: Any) -> Any:
    """Ask for a refund that must be accepted."""
    return await desk.ask("POST", REFUNDS, refunding(*args, **changes))


async def hold(desk: V3Desk) -> None:
    """Keep refunds from ending by themselves."""
    await desk.control("settlement", auto=False)


async def attempts_of(desk: V3Desk, kind: str, count: int) -> list[Any]:
    """Wait until so many attempts of a kind are in the books, and return them."""
    async with asyncio.timeout(30):
        while True:
            entries = (await desk.ledger())["notifications"]
            found = [sent for entry in entries if entry["kind"] == kind for sent in entry["attempts"]]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.01)


def verified(desk: V3Desk, receiver: Receiver, index: int = -1) -> bool:
    """Verify a notification over its raw bytes, strictly and within five minutes."""
    return verifies(desk, receiver.headers[index], receiver.bodies[index])


def verifies(desk: V3Desk, headers: dict[str, str], body: bytes) -> bool:
    """Verify headers and raw bytes as a merchant's server would."""
    given = [headers.get(f"wechatpay-{name}") for name in SIGNED]
    if None in given:
        return False
    timestamp, once, signature, serial, scheme = (str(value) for value in given)
    if serial not in desk.wechat or scheme != "WECHATPAY2-SHA256-RSA2048":
        return False
    message = f"{timestamp}\n{once}\n".encode() + body + b"\n"
    try:
        decoded = base64.b64decode(signature, validate=True)
        desk.wechat[serial].verify(decoded, message, padding.PKCS1v15(), hashes.SHA256())
    except (InvalidSignature, ValueError):
        return False
    return abs(time.time() - int(timestamp)) < 300


def envelope(receiver: Receiver, index: int = -1) -> Any:
    """Return a notification as it was posted."""
    return json.loads(receiver.bodies[index])


def inside(receiver: Receiver, index: int = -1, key: str = V3_KEY) -> Any:
    """Decrypt a notification."""
    return json.loads(opened(envelope(receiver, index)["resource"], key))
