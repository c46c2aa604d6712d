"""The independent npm package wechatpay-axios-plugin talks to the simulator as it talks to WeChat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.independent_v3 import NOWHERE, control, own, private_pem, register
from tests.support.node_v3 import axios_plugin
from tests.support.simulated import COFFEE, COFFEE_APP, MCH_ID, PHONE_APP
from tests.support.simulated_v3 import V3_KEY, h5, native, prepay

from spsim.serve import Running, running

NUMBER = "AX|*{}"
"""Both signs are allowed in a number and sent as they are, so the path is signed as it was sent."""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database: Path = tmp_path_factory.mktemp("axios") / "books.db"
    with running(database) as started:
        register(started, "public_key")
        control(started, "settlement", after_s=0)
        yield started


@pytest.fixture(scope="module", params=["public_key", "certificate"])
def told(where: Running, request: pytest.FixtureRequest) -> Any:
    """What came of one run of everything, in either way to verify."""
    issued = register(where, request.param)[MCH_ID]
    public_keys = {key["id"]: key["pem"] for key in issued["wechatpay_public_keys"]}
    certificates = {entry["serial"]: entry["pem"] for entry in issued["platform_certificates"]}
    by_key = request.param == "public_key"
    number = f"{NUMBER.format(request.param[:4])}{{}}".format
    app = native(number("a"), sub_appid=PHONE_APP)
    return axios_plugin(
        "pays",
        url=where.url,
        mchid=MCH_ID,
        serial=own()[MCH_ID].serial,
        privateKey=private_pem(own()[MCH_ID]),
        apiV3Key=V3_KEY,
        certs=public_keys if by_key else certificates,
        keyId=next(iter(public_keys)) if by_key else None,
        numbers={"sp_mchid": MCH_ID, "sub_mchid": COFFEE},
        orders={
            "jsapi": {"appid": COFFEE_APP, "body": prepay(number("j"))},
            "native": {"body": native(number("n"))},
            "h5": {"body": h5(number("h"))},
            "app": {"body": app},
        },
        refund={
            "sub_mchid": COFFEE,
            "out_trade_no": number("j"),
            "out_refund_no": f"RAX@{request.param}",
            "notify_url": NOWHERE,
            "amount": {"refund": 1000, "total": 1280, "currency": "CNY"},
        },
    )


@pytest.mark.parametrize(
    ("kind", "product", "trade_type"),
    [
        ("jsapi", "prepay_id", "JSAPI"),
        ("native", "code_url", "NATIVE"),
        ("h5", "h5_url", "MWEB"),
        ("app", "prepay_id", "APP"),
    ],
)
def test_it_pays_queries_and_opens_the_notification(
    told: Any, kind: str, product: str, trade_type: str
) -> None:
    """It verifies every answer itself: one that did not verify would have ended the run."""
    done = told[kind]
    assert done["made"] == [product]
    assert (done["found"]["trade_state"], done["found"]["trade_type"]) == ("SUCCESS", trade_type)
    assert (done["notified"]["genuine"], done["notified"]["changed"]) == (True, False)
    assert done["notified"]["event"] == "TRANSACTION.SUCCESS"
    assert done["notified"]["content"] == done["found"]


def test_it_closes(told: Any) -> None:
    assert (told["closed"], told["closedState"]) == (204, "CLOSED")


def test_it_refunds_and_opens_the_notification(told: Any) -> None:
    assert (told["refund"]["status"], told["refunded"]["status"]) == ("PROCESSING", "SUCCESS")
    notified = told["refundNotified"]
    assert (notified["genuine"], notified["changed"], notified["event"]) == (True, False, "REFUND.SUCCESS")
    assert notified["content"]["refund_id"] == told["refund"]["refund_id"]
    assert notified["content"]["amount"]["refund"] == 1000


def test_it_reads_refusals(told: Any) -> None:
    assert told["absent"] == {"status": 404, "code": "ORDER_NOT_EXIST"}
    assert told["excess"] == {"status": 400, "code": "INVALID_REQUEST"}
