"""What a merchant's server does to get a bill from the simulator, and a small reader of its own."""

from __future__ import annotations

import base64
import gzip
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.simulated import APPID, KEY, MCH_ID, Desk, read, signature, xml
from tests.support.simulated_v3 import OAEP, Identity, V3Desk

from spsim.serve import Running

BEIJING = timezone(timedelta(hours=8))
TRADE, FUND = "/pay/downloadbill", "/pay/downloadfundflow"
TRADE_V3, FUND_V3 = "/v3/bill/tradebill", "/v3/bill/fundflowbill"
SUB_FUND_V3 = "/v3/bill/sub-merchant-fundflowbill"
FILE_V3 = "/v3/billdownload/file"


@dataclass(frozen=True)
class Bill:
    """A bill as text, its lines by the names in its header, and its summary."""

    text: str
    header: list[str]
    rows: list[dict[str, str]]
    summary: dict[str, str]

    def column(self, name: str) -> list[str]:
        """Return the values of one column."""
        return [row[name] for row in self.rows]

    def row(self, **wanted: str) -> dict[str, str]:
        """Return the only row that has these values."""
        (found,) = [row for row in self.rows if wanted.items() <= row.items()]
        return found


def parsed(content: bytes) -> Bill:
    """Read a bill strictly: CR LF, a back-tick before every value, as many values as there are names."""
    text = content.decode("utf-8-sig")
    assert text.endswith("\r\n")
    header, *lines, sums, values = text.removesuffix("\r\n").split("\r\n")
    names = header.split(",")
    rows = []
    for line in lines:
        assert line.startswith("`")
        rows.append(dict(zip(names, line[1:].split(",`"), strict=True)))
    summary = dict(zip(sums.split(","), values[1:].split(",`"), strict=True))
    return Bill(text, names, rows, summary)


def fen(text: str) -> int:
    """Read yuan with two decimals as fen."""
    whole, _, rest = text.lstrip("-").partition(".")
    assert len(rest) == 2
    return (-1 if text.startswith("-") else 1) * int(whole + rest)


async def now(desk: Desk) -> datetime:
    """Return the simulator's time in Beijing."""
    told = (await desk.http.get("/_sim/clock")).json()["now"]
    return datetime.fromisoformat(told).astimezone(BEIJING)


async def until(desk: Desk, clock: str) -> date:
    """Move the simulator's clock forward to the next such time in Beijing; return the day it is then."""
    at = await now(desk)
    hour, minute, second = (int(part) for part in clock.split(":"))
    wanted = at.replace(hour=hour, minute=minute, second=second, microsecond=0)
    wanted += timedelta(days=1 if wanted <= at else 0)
    await desk.control("clock", advance_s=(wanted - at).total_seconds())
    return wanted.date()


async def next_morning(desk: Desk) -> date:
    """Move on to the hour when the bills of this day are ready; return the day they are of."""
    await until(desk, "00:00:00")
    return await until(desk, "10:00:00") - timedelta(days=1)


def asking_bill(day: date, **changes: str) -> dict[str, str]:
    """The parameters of downloadbill; "" leaves one out."""
    params = {"appid": APPID, "mch_id": MCH_ID, "nonce_str": "n1", "bill_date": f"{day:%Y%m%d}"}
    return {name: value for name, value in (params | changes).items() if value != ""}


async def v2_answer(desk: Desk, path: str, params: dict[str, str], key: str = KEY) -> httpx.Response:
    """Send a signed call of v2; return what came back."""
    signed = params | {"sign": signature(params, key, params.get("sign_type", "MD5"))}
    answer = await desk.http.post(path, content=xml(signed))
    assert answer.status_code == 200
    return answer


async def v2_bill(desk: Desk, day: date, key: str = KEY, **changes: str) -> Bill:
    """Download a trade bill by v2, packed or not."""
    answer = await v2_answer(desk, TRADE, asking_bill(day, **changes), key)
    assert not answer.content.startswith(b"<xml"), answer.text
    packed = changes.get("tar_type") == "GZIP"
    return parsed(gzip.decompress(answer.content) if packed else answer.content)


async def v2_refusal(desk: Desk, path: str, params: dict[str, str], key: str = KEY) -> tuple[str, str]:
    """Ask for a bill that must be refused, unsigned; return code and message."""
    told = read((await v2_answer(desk, path, params, key)).content)
    assert "sign" not in told
    if path == FUND and told["return_code"] == "SUCCESS":
        assert told["result_code"] == "FAIL"
        return told["err_code"], told["err_code_des"]
    assert told["return_code"] == "FAIL"
    assert "result_code" not in told
    return told.get("error_code", ""), told["return_msg"]


def target(path: str, **query: str) -> str:
    """Return path and query."""
    return f"{path}?{urlencode(query)}"


async def apply(desk: V3Desk, path: str, day: date, **query: str) -> Any:
    """Apply for a bill by v3; the answer is verified."""
    return await desk.ask("GET", target(path, bill_date=day.isoformat(), **query))


def address(desk: V3Desk, url: str) -> str:
    """Return path and query of a download address, which must be at the host that was asked."""
    assert url.startswith(f"{desk.where.url}{FILE_V3}?token=")
    return url.removeprefix(desk.where.url)


async def fetch(desk: V3Desk, url: str) -> httpx.Response:
    """Download a file, signed as any call; its answer carries no signature."""
    answer = await desk.send("GET", address(desk, url))
    assert not [name for name in answer.headers if name.startswith("wechatpay-")]
    return answer


async def v3_text(desk: V3Desk, path: str, day: date, **query: str) -> bytes:
    """Apply for a bill and download it; its hash must be that of the text."""
    told = await apply(desk, path, day, **query)
    answer = await fetch(desk, told["download_url"])
    assert answer.status_code == 200, answer.text
    text = gzip.decompress(answer.content) if "tar_type" in query else answer.content
    assert told["hash_type"] == "SHA1"
    assert told["hash_value"] == hashlib.sha1(text).hexdigest()
    return text


async def v3_bill(desk: V3Desk, day: date, path: str = TRADE_V3, **query: str) -> Bill:
    """Apply for a bill and download it."""
    return parsed(await v3_text(desk, path, day, **query))


def opened_part(own: Identity, part: dict[str, Any], content: bytes) -> bytes:
    """Open one part of a sub-merchant's bill with the merchant's own key."""
    key = own.key.decrypt(base64.b64decode(part["encrypt_key"]), OAEP)
    return AESGCM(key).decrypt(part["nonce"].encode(), content, None)


@asynccontextmanager
async def own_tls_desk(where: Running, own: Identity, folder: Path) -> AsyncIterator[Desk]:
    """Open a desk at the TLS port with a merchant's API certificate."""
    pem = folder / f"{own.mch_id}.pem"
    key = own.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(own.pem.encode() + key)
    context = ssl.create_default_context(cadata=where.ca_pem)
    context.load_cert_chain(pem)
    async with httpx.AsyncClient(base_url=where.tls_url, verify=context, trust_env=False, timeout=10) as http:
        yield Desk(where, http)
