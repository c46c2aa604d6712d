"""The second signature by API v3: what opens the cashier in the payer's WeChat.

Signed with the provider's own private key, the same that signed the prepay (wechatpay-v3 2.3, 2.4).
"""

from __future__ import annotations

import re
from datetime import datetime

from wechatpay.credentials import Credentials
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import PrepayId
from wechatpay.nonces import nonce as new_nonce
from wechatpay.v3 import signing

SIGN_TYPE = "RSA"

_NONCE = re.compile(r"[0-9A-Za-z]{1,32}")


def for_mini_program(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of `wx.requestPayment`: timeStamp, nonceStr, package, signType, paySign.

    `now` is aware; `nonce` is for reproducing a signature and never comes from a caller outside. appId is
    signed but not handed out, WeChat fills in the running app's. Raises InvalidRequest for a nonce that is
    not letters and digits.
    """
    params = for_official_account(credentials, prepay_id, now, nonce)
    del params["appId"]
    return params


def for_official_account(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of `getBrandWCPayRequest`: as for a mini-program, and `appId`. Raises likewise."""
    # Seconds as text; the phone refuses a number and milliseconds.
    told = {
        "appId": credentials.cashier_appid.text,
        "timeStamp": str(int(now.timestamp())),
        "nonceStr": _checked(nonce, "nonceStr"),
        "package": f"prepay_id={prepay_id}",
    }
    return {**told, "signType": SIGN_TYPE, "paySign": _signed(credentials, *told.values())}


def for_app(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of the app's Open SDK: appid, partnerid, prepayid, package, noncestr, timestamp, sign.

    `partnerid` is the number that signs, a provider's own: where API v2 wants the sub-merchant's, practice
    with v3 is the provider's (wechatpay-v3 2.4). Raises likewise.
    """
    appid, timestamp = credentials.cashier_appid.text, str(int(now.timestamp()))
    once = _checked(nonce, "noncestr")
    return {
        "appid": appid,
        "partnerid": credentials.mch_id.text,
        "prepayid": prepay_id.text,
        "package": "Sign=WXPay",
        "noncestr": once,
        "timestamp": timestamp,
        "sign": _signed(credentials, appid, timestamp, once, prepay_id.text),
    }


def _signed(credentials: Credentials, *lines: str) -> str:
    return signing.sign(credentials.v3_key.private_key, signing.cashier_message(*lines))


def _checked(nonce: str | None, field: str) -> str:
    if nonce is None:
        return new_nonce()
    if _NONCE.fullmatch(nonce) is None:
        raise InvalidRequest(field, "只能是 1–32 个字母或数字", "must be 1 to 32 letters or digits")
    return nonce
