"""The independent package wechatpayv3 talks to the simulator as it talks to WeChat (acceptance B-9)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.independent_v3 import (
    NOWHERE,
    answered,
    client_of,
    control,
    detour,
    last_notification,
    own,
    prepay,
    register,
)
from tests.support.simulated import (
    APPID,
    COFFEE,
    COFFEE_APP,
    MCH_ID,
    MERCHANT,
    MERCHANT_APP,
    PAYER,
    PHONE_APP,
)
from tests.support.simulated_v3 import OTHER_V3_KEY
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3.type import RequestType

from spsim.serve import Running, running

Numbers = Callable[[], str]


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database: Path = tmp_path_factory.mktemp("wechatpayv3") / "books.db"
    with running(database) as started, detour(started.url):
        register(started, "public_key")
        control(started, "settlement", after_s=0)
        yield started


@pytest.fixture(params=["public_key", "certificate"])
def client(where: Running, request: pytest.FixtureRequest) -> WeChatPay:
    """The provider's client, in either way to verify; it fetches platform certificates itself."""
    issued = register(where, request.param)[MCH_ID]
    key = issued["wechatpay_public_keys"][0] if request.param == "public_key" else None
    return client_of(MCH_ID, APPID, partner=True, public_key=key)


@pytest.fixture(scope="module")
def new_number() -> Numbers:
    made = iter(range(1_000_000))
    return lambda: f"WV3-{next(made):06d}"


def opened(client: WeChatPay, attempt: dict[str, Any]) -> Any:
    """Verify and decrypt a notification with the package."""
    told = client.callback(attempt["headers"], attempt["body"])
    assert told, "the package does not accept the notification"
    return told


def refunded(client: WeChatPay, number: str, refund: str, amount: int = 500) -> tuple[int, Any]:
    money = {"refund": amount, "total": 1280, "currency": "CNY"}
    reply: tuple[int, Any] = client.refund(
        out_refund_no=refund, out_trade_no=number, amount=money, sub_mchid=COFFEE, reason="不想要了"
    )
    return reply


def pay_params(client: WeChatPay, appid: str, prepay_id: str) -> dict[str, str]:
    timestamp, nonce, package = (
        str(int(time.time())),
        "593BEC0C930BF1AFEB40B4A08C8FB242",
        f"prepay_id={prepay_id}",
    )
    return {
        "timeStamp": timestamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": client.sign([appid, timestamp, nonce, package]),
    }


def test_it_pays_in_the_mini_program_queries_and_opens_the_notification(
    where: Running, client: WeChatPay, new_number: Numbers
) -> None:
    number = new_number()
    prepay_id = answered(prepay(client, number))["prepay_id"]
    params = pay_params(client, COFFEE_APP, prepay_id)
    paid = control(where, "pay", prepay_id=prepay_id, openid=PAYER, pay_params=params, appid=COFFEE_APP)

    found = answered(client.query(out_trade_no=number, sub_mchid=COFFEE))
    assert (found["trade_state"], found["trade_type"], found["amount"]["total"]) == ("SUCCESS", "JSAPI", 1280)
    by_id = answered(client.query(transaction_id=paid["transaction_id"], sub_mchid=COFFEE))
    assert by_id == found

    control(where, f"notify/{number}")
    attempt = last_notification(where, number)
    told = opened(client, attempt)
    assert told["event_type"] == "TRANSACTION.SUCCESS"
    assert told["resource"] == found
    changed = attempt | {"body": attempt["body"].replace("TRANSACTION.SUCCESS", "TRANSACTION.FAILURE")}
    assert client.callback(changed["headers"], changed["body"]) is None
    loose = json.dumps(json.loads(attempt["body"]), ensure_ascii=False)
    assert client.callback(attempt["headers"], loose) is None


@pytest.mark.parametrize("way", ["NATIVE", "H5", "APP"])
def test_it_pays_in_every_other_way(where: Running, client: WeChatPay, new_number: Numbers, way: str) -> None:
    number = new_number()
    appid = {"sub_appid": PHONE_APP} if way == "APP" else {"sub_appid": None}
    scene = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}} if way == "H5" else None
    made = answered(
        prepay(client, number, payer=None, scene_info=scene, pay_type=WeChatPayType[way], **appid)
    )
    match way:
        case "NATIVE":
            control(where, "pay", code_url=made["code_url"])
        case "H5":
            page = urlsplit(made["h5_url"])
            opened_page = httpx.get(f"{where.url}{page.path}?{page.query}", trust_env=False)
            assert opened_page.status_code == 200
            control(where, "pay", prepay_id=page.path.rsplit("/", 1)[1])
        case _:
            timestamp, nonce, prepay_id = str(int(time.time())), "a1b2c3", made["prepay_id"]
            params = {
                "appid": PHONE_APP,
                "partnerid": MCH_ID,
                "prepayid": prepay_id,
                "package": "Sign=WXPay",
                "noncestr": nonce,
                "timestamp": timestamp,
                "sign": client.sign([PHONE_APP, timestamp, nonce, prepay_id]),
            }
            control(where, "pay", prepay_id=prepay_id, pay_params=params)
    found = answered(client.query(out_trade_no=number, sub_mchid=COFFEE))
    assert (found["trade_state"], found["trade_type"]) == ("SUCCESS", "MWEB" if way == "H5" else way)
    control(where, f"notify/{number}")
    assert opened(client, last_notification(where, number))["resource"] == found


def test_it_closes_and_sees_it_closed(client: WeChatPay, new_number: Numbers) -> None:
    number = new_number()
    answered(prepay(client, number))
    for _ in range(2):
        assert client.close(number, sub_mchid=COFFEE)[0] == 204
    assert answered(client.query(out_trade_no=number, sub_mchid=COFFEE))["trade_state"] == "CLOSED"


def test_it_refunds_asks_and_opens_the_notification(
    where: Running, client: WeChatPay, new_number: Numbers
) -> None:
    number = new_number()
    answered(prepay(client, number))
    paid = control(where, "pay", out_trade_no=number)
    made = answered(refunded(client, number, f"R-{number}"))
    again = answered(refunded(client, number, f"R-{number}"))
    assert again["refund_id"] == made["refund_id"], "the same once more is the same"
    assert (made["status"], made["transaction_id"]) == ("PROCESSING", paid["transaction_id"])
    found = answered(client.query_refund(f"R-{number}", sub_mchid=COFFEE))
    assert (found["status"], found["amount"]["refund"]) == ("SUCCESS", 500)

    control(where, f"notify/{number}", out_refund_no=f"R-{number}")
    told = opened(client, last_notification(where, number, "refund"))
    assert told["event_type"] == "REFUND.SUCCESS"
    inside = told["resource"]
    assert (inside["sp_mchid"], inside["sub_mchid"]) == (MCH_ID, COFFEE)
    for name in ("refund_id", "out_refund_no", "out_trade_no", "transaction_id", "success_time"):
        assert inside[name] == found[name]
    assert answered(client.query(out_trade_no=number, sub_mchid=COFFEE))["trade_state"] == "REFUND"


def test_it_reads_refusals(where: Running, client: WeChatPay, new_number: Numbers) -> None:
    absent = answered(client.query(out_trade_no="WV3-999999", sub_mchid=COFFEE), 404)
    assert absent["code"] == "ORDER_NOT_EXIST"
    assert answered(client.query_refund("R-999999", sub_mchid=COFFEE), 404)["code"] == "RESOURCE_NOT_EXISTS"
    number = new_number()
    assert answered(refunded(client, number, "R1"), 404)["code"] == "RESOURCE_NOT_EXISTS"
    answered(prepay(client, number))
    again = answered(prepay(client, number, description="另一件"), 400)
    assert again["code"] == "INVALID_REQUEST"
    client._core._cert_serial_no = own()[MERCHANT].serial
    assert answered(client.query(out_trade_no=number, sub_mchid=COFFEE), 401)["code"] == "SIGN_ERROR"


def test_it_has_its_keys_echoed(client: WeChatPay, where: Running) -> None:
    """The package has no function for it, but everything that it takes (wechatpay-v3 1.11)."""
    serial = client._core._public_key_id
    if serial is None:
        (certificate,) = client._core._certificates
        serial = f"{certificate.serial_number:040X}"
        sealed = None
    else:
        sealed = client._core.encrypt("张三")
    asked = {"echo_message": "在吗"} | ({} if sealed is None else {"encrypted_echo_message": sealed})
    reply = client._core.request(
        "/v3/security/echo", method=RequestType.POST, data=asked, headers={"Wechatpay-Serial": serial}
    )
    told = answered(reply)
    assert told["echo_message"] == "在吗"
    if sealed is not None:
        assert client.decrypt(told["encrypted_echo_message"]) == "张三"


def test_K03_it_follows_a_rotation_of_platform_certificates(where: Running, new_number: Numbers) -> None:
    register(where, "certificate")
    client = client_of(MCH_ID, APPID, partner=True)
    (old,) = client._core._certificates
    rotated = control(where, "v3/keys", mch_id=MCH_ID, action="rotate_certificate")
    number = new_number()
    answered(prepay(client, number))
    assert len(client._core._certificates) == 2, "the unknown serial made it fetch"
    control(where, "v3/keys", mch_id=MCH_ID, action="share", of="new_certificate", percent=0)
    control(where, "pay", out_trade_no=number)
    control(where, f"notify/{number}")
    by_old = last_notification(where, number)
    assert int(by_old["headers"]["Wechatpay-Serial"], 16) == old.serial_number
    assert opened(client, by_old)["resource"]["out_trade_no"] == number
    control(where, "v3/keys", mch_id=MCH_ID, action="retire_certificates", serial=f"{old.serial_number:040X}")
    control(where, f"notify/{number}")
    by_new = last_notification(where, number)
    assert by_new["headers"]["Wechatpay-Serial"] == rotated["serial"]
    assert opened(client, by_new)["id"] == opened(client, by_old)["id"]


def test_a_plain_merchant_pays_and_refunds_directly(where: Running, new_number: Numbers) -> None:
    issued = register(where, "public_key")[MERCHANT]
    client = client_of(MERCHANT, MERCHANT_APP, partner=False, public_key=issued["wechatpay_public_keys"][0])
    number = new_number()
    reply = client.pay(
        description="一件",
        out_trade_no=number,
        amount={"total": 1280, "currency": "CNY"},
        payer={"openid": "oMerchantUser_1"},
    )
    prepay_id = answered(reply)["prepay_id"]
    params = pay_params(client, MERCHANT_APP, prepay_id)
    control(where, "pay", prepay_id=prepay_id, pay_params=params, appid=MERCHANT_APP)
    found = answered(client.query(out_trade_no=number))
    assert (found["mchid"], found["payer"]) == (MERCHANT, {"openid": "oMerchantUser_1"})
    control(where, f"notify/{number}")
    assert opened(client, last_notification(where, number))["resource"] == found
    money = {"refund": 1, "total": 1280, "currency": "CNY"}
    answered(client.refund(out_refund_no=f"R-{number}", out_trade_no=number, amount=money))
    assert answered(client.query_refund(f"R-{number}"))["status"] == "SUCCESS"
    control(where, f"notify/{number}", out_refund_no=f"R-{number}")
    inside = opened(client, last_notification(where, number, "refund"))["resource"]
    assert inside["mchid"] == MERCHANT
    assert not {"sp_mchid", "sub_mchid"} & inside.keys()


def test_pain_21_the_wrong_v3_key_opens_nothing(
    where: Running, client: WeChatPay, new_number: Numbers
) -> None:
    number = new_number()
    answered(prepay(client, number))
    control(where, "pay", out_trade_no=number)
    control(where, f"notify/{number}")
    attempt = last_notification(where, number)
    client._core._apiv3_key = OTHER_V3_KEY
    assert client.callback(attempt["headers"], attempt["body"]) is None
    assert attempt["url"] == NOWHERE
