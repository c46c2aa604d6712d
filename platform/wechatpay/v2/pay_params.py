"""The second signature: what opens the cashier in the payer's WeChat.

Made on the server with the provider's key; the page never sees the key (S1-23, S1-25, S2-14).
Source: wechatpay-v2 3.1, 3.2 and 3.3.
"""

from __future__ import annotations

import re
from datetime import datetime

from wechatpay.credentials import Credentials
from wechatpay.errors import InvalidRequest
from wechatpay.identifiers import PrepayId
from wechatpay.nonces import nonce as new_nonce
from wechatpay.v2 import signing

_NONCE = re.compile(r"[0-9A-Za-z]{1,32}")


def for_mini_program(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of `wx.requestPayment`: timeStamp, nonceStr, package, signType, paySign.

    `now` is aware; `nonce` is for reproducing a signature and never comes from a caller outside
    (C6 b). appId is signed but not handed out, WeChat fills in the running app's. `signType` is
    the order's. Raises InvalidRequest for a nonce that is not letters and digits.
    """
    params = for_official_account(credentials, prepay_id, now, nonce)
    del params["appId"]
    return params


def for_official_account(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of `getBrandWCPayRequest`: as for a mini-program, and `appId`. Raises likewise."""
    params = {
        "appId": credentials.cashier_appid.text,
        # Seconds as text; the phone refuses a number and milliseconds.
        "timeStamp": str(int(now.timestamp())),
        "nonceStr": _checked(nonce, "nonceStr"),
        "package": f"prepay_id={prepay_id}",
        "signType": credentials.sign_type.value,
    }
    params["paySign"] = signing.sign(params, credentials.v2_key, credentials.sign_type)
    return params


def for_app(
    credentials: Credentials, prepay_id: PrepayId, now: datetime, nonce: str | None = None
) -> dict[str, str]:
    """The arguments of the app's Open SDK: appid, partnerid, prepayid, package, noncestr, timestamp, sign.

    `partnerid` is the sub-merchant's number when a provider acts for it. The names are lower case
    and no signature type is named; it is the order's all the same. Raises likewise.
    """
    params = {
        "appid": credentials.cashier_appid.text,
        "partnerid": credentials.partner_id,
        "prepayid": prepay_id.text,
        "package": "Sign=WXPay",
        "noncestr": _checked(nonce, "noncestr"),
        "timestamp": str(int(now.timestamp())),
    }
    params["sign"] = signing.sign(params, credentials.v2_key, credentials.sign_type)
    return params


def _checked(nonce: str | None, field: str) -> str:
    if nonce is None:
        return new_nonce()
    if _NONCE.fullmatch(nonce) is None:
        raise InvalidRequest(field, "只能是 1–32 个字母或数字", "must be 1 to 32 letters or digits")
    return nonce
