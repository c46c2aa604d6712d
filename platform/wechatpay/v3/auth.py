"""The Authorization header of a request of API v3."""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime

import httpx

from wechatpay.credentials import V3Key
from wechatpay.identifiers import MchId
from wechatpay.nonces import nonce
from wechatpay.v3 import signing

SCHEME = "WECHATPAY2-SHA256-RSA2048"


class MerchantAuth(httpx.Auth):
    """Signs as the provider, or as a plain merchant: `mch_id` is never a sub-merchant's (wechatpay-v3 1.2).

    Every request gets the time of its own sending and a nonce of its own, also one that is repeated at
    another host; `now` is aware.
    """

    requires_request_body = True

    def __init__(self, mch_id: MchId, key: V3Key, now: Callable[[], datetime]) -> None:
        self._mch_id = mch_id
        self._key = key
        self._now = now

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign the bytes that leave: the prepared address and the body as it is."""
        timestamp, once = str(int(self._now().timestamp())), nonce()
        target = request.url.raw_path.decode("ascii")
        message = signing.request_message(request.method, target, timestamp, once, request.content)
        parts = {
            "mchid": self._mch_id.text,
            "nonce_str": once,
            "timestamp": timestamp,
            "serial_no": self._key.serial,
            "signature": signing.sign(self._key.private_key, message),
        }
        told = ",".join(f'{name}="{value}"' for name, value in parts.items())
        request.headers["Authorization"] = f"{SCHEME} {told}"
        yield request
