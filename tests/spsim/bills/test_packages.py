"""Independent packages get bills from the simulator as they get them from WeChat (acceptance B-9, B-19)."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.support.independent_v3 import (
    REAL_GATEWAY,
    answered,
    client_of,
    control,
    detour,
    own,
    prepay,
    private_pem,
    register,
)
from tests.support.node_v3 import axios_plugin
from tests.support.simulated import APPID, COFFEE, KEY, MCH_ID
from tests.support.simulated_bills import BEIJING, parsed
from wechatpy.exceptions import WeChatPayException
from wechatpy.pay import WeChatPay as V2Client

from spsim.serve import Running, running

NUMBERS = ["BILL-000001", "BILL-000002"]
V3Client = Any


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A simulator that serves the running day."""
    database: Path = tmp_path_factory.mktemp("bill_packages") / "books.db"
    with running(database) as started, detour(started.url):
        register(started, "public_key")
        control(started, "bills", open_days=True)
        yield started


@pytest.fixture(scope="module")
def client(where: Running) -> V3Client:
    """The package wechatpayv3 of the provider."""
    (key,) = register(where, "public_key")[MCH_ID]["wechatpay_public_keys"]
    return client_of(MCH_ID, APPID, partner=True, public_key=key)


def noon(where: Running) -> date:
    """Move the clock to the next noon in Beijing, far from every border of a day."""
    told = httpx.get(f"{where.url}/_sim/clock", trust_env=False).json()["now"]
    now = datetime.fromisoformat(told).astimezone(BEIJING)
    wanted = now.replace(hour=12, minute=0, second=0, microsecond=0)
    wanted += timedelta(days=1 if wanted <= now else 0)
    control(where, "clock", advance_s=(wanted - now).total_seconds())
    return wanted.date()


@pytest.fixture(scope="module")
def day(where: Running, client: V3Client) -> date:
    """The day of two payments and a refund, made by the package; there was a dear one the day before."""
    noon(where)
    answered(prepay(client, "BILL-000000", amount={"total": 100_000, "currency": "CNY"}))
    control(where, "pay", out_trade_no="BILL-000000")
    today = noon(where)
    for number in NUMBERS:
        answered(prepay(client, number, description="米饭,大份"))
        control(where, "pay", out_trade_no=number)
    money = {"refund": 500, "total": 1280, "currency": "CNY"}
    answered(client.refund(out_refund_no="BILL-R1", out_trade_no=NUMBERS[0], amount=money, sub_mchid=COFFEE))
    return today


@pytest.fixture(scope="module")
def v2_client(where: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[V2Client]:
    """The package wechatpy of the provider, at the TLS port with its certificate."""
    folder = tmp_path_factory.mktemp("bill_certificate")
    (folder / "cert.pem").write_text(own()[MCH_ID].pem)
    (folder / "key.pem").write_text(private_pem(own()[MCH_ID]))
    (folder / "ca.pem").write_text(where.ca_pem)
    made = V2Client(
        APPID, KEY, MCH_ID, mch_cert=str(folder / "cert.pem"), mch_key=str(folder / "key.pem"), timeout=5
    )
    made.API_BASE_URL = f"{where.tls_url}/"
    made._http.trust_env = False
    made._http.verify = str(folder / "ca.pem")
    yield made
    made._http.close()


def at_gateway(where: Running, url: str) -> str:
    """Return a download address as the package knows it: on WeChat's own host."""
    assert url.startswith(f"{where.url}/v3/billdownload/file?token=")
    return url.replace(where.url, REAL_GATEWAY)


def fetched(client: V3Client, where: Running, url: str) -> bytes:
    status, content = client.download_bill(at_gateway(where, url))
    assert status == 200
    return bytes(content)


def test_wechatpy_gets_the_trade_bill(v2_client: V2Client, day: date) -> None:
    bill = parsed(v2_client.tools.download_bill(day).encode())
    assert bill.column("商户订单号") == [*NUMBERS, NUMBERS[0]]
    assert bill.column("商品名称") == ["米饭,大份"] * 3
    assert bill.column("交易状态") == ["SUCCESS", "SUCCESS", "REFUND"]
    refunds = parsed(v2_client.tools.download_bill(day, bill_type="REFUND").encode())
    assert refunds.column("商户退款单号") == ["BILL-R1"]


def test_wechatpy_gets_the_fund_bill(v2_client: V2Client, day: date) -> None:
    bill = parsed(v2_client.tools.download_fundflow(day - timedelta(days=1)).encode())
    assert bill.column("业务名称") == ["服务商佣金"]
    assert bill.column("收支金额（元）") == ["0.60"]
    with pytest.raises(WeChatPayException) as running_day:
        v2_client.tools.download_fundflow(day)
    assert running_day.value.errcode == "NO_BILL_EXIST", "commission is booked at the end of the day"


def test_wechatpy_reads_a_refusal(v2_client: V2Client, day: date) -> None:
    with pytest.raises(WeChatPayException) as empty:
        v2_client.tools.download_bill(day - timedelta(days=2))
    assert (empty.value.return_code, empty.value.return_msg) == ("FAIL", "No Bill Exist")


@pytest.mark.parametrize("tar_type", ["GZIP", ""])
def test_wechatpayv3_gets_the_trade_bill(client: V3Client, where: Running, day: date, tar_type: str) -> None:
    """The package always names tar_type, so the plain file is applied for by its core."""
    if tar_type:
        told = answered(client.trade_bill(str(day), tar_type=tar_type, sub_mchid=COFFEE))
    else:
        told = answered(client._core.request(f"/v3/bill/tradebill?bill_date={day}"))
    content = fetched(client, where, told["download_url"])
    text = gzip.decompress(content) if tar_type else content
    assert hashlib.sha1(text).hexdigest() == told["hash_value"]
    assert parsed(text).column("商品名称") == ["米饭\\ 大份"] * 3


def test_wechatpayv3_reads_refusals(client: V3Client, day: date) -> None:
    before = str(day - timedelta(days=2))
    assert answered(client.trade_bill(before), 400)["code"] == "NO_STATEMENT_EXIST"
    assert answered(client.fundflow_bill(str(day)), 400)["code"] == "NO_STATEMENT_EXIST"
    assert answered(client.trade_bill(str(day + timedelta(days=1))), 400)["code"] == "PARAM_ERROR"
    assert answered(client.trade_bill(str(day), sub_mchid="1699999999"), 403)["code"] == "NO_AUTH"


@pytest.mark.parametrize("tar_type", ["GZIP", None])
def test_wechatpayv3_opens_the_sub_merchants_fund_bill(
    client: V3Client, where: Running, day: date, tar_type: str | None
) -> None:
    """The package opens the sealed key; it has no function for the file itself."""
    told = answered(client.submch_fundflow_bill(COFFEE, str(day), "BASIC", tar_type=tar_type))
    (part,) = told["download_bill_list"]
    key = client.decrypt(part["encrypt_key"])
    content = fetched(client, where, part["download_url"])
    opened = AESGCM(key.encode()).decrypt(part["nonce"].encode(), content, b"")
    text = gzip.decompress(opened) if tar_type else opened
    assert hashlib.sha1(text).hexdigest() == part["hash_value"]
    names = ["交易", "扣除交易手续费"] * 2 + ["退款", "退还交易手续费"]
    assert parsed(text).column("业务名称") == names


def test_wechatpay_axios_plugin_gets_and_reads_the_trade_bill(where: Running, day: date) -> None:
    """It verifies the application's signature itself, leaves the unsigned file alone, and counts on a BOM."""
    control(where, "bills", bom=True)
    issued = register(where, "public_key")[MCH_ID]["wechatpay_public_keys"]
    told = axios_plugin(
        "bills",
        url=where.url,
        mchid=MCH_ID,
        serial=own()[MCH_ID].serial,
        privateKey=private_pem(own()[MCH_ID]),
        certs={key["id"]: key["pem"] for key in issued},
        keyId=issued[0]["id"],
        day=str(day),
        emptyDay=str(day - timedelta(days=2)),
    )
    assert told["sha1"] == told["applied"]["hash_value"]
    control(where, "bills", bom=False)
    assert [row["交易时间"][:10] for row in told["bill"]["rows"]] == [str(day)] * 3
    assert [row["商户订单号"] for row in told["bill"]["rows"]] == [*NUMBERS, NUMBERS[0]]
    assert [row["商品名称"] for row in told["bill"]["rows"]] == ["米饭\\ 大份"] * 3
    assert told["bill"]["summary"]["申请退款总金额"] == "5.00"
    assert told["empty"] == {"status": 400, "code": "NO_STATEMENT_EXIST"}
