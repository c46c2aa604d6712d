"""WeChat's end of the line of API v3, for tests of what a call costs: it signs what it answers, and no more.

It does not judge requests, which the simulator and the protocol's own tests do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from spcore.clock import Clock
from wechatpay.transport import RawAnswer
from wechatpay.v3 import signing
from wechatpay.v3.gateway import V3Gateway


@dataclass(slots=True)
class V3Wechat:
    """A picker of gateways and the line behind them. `sent` holds every request as it left, signed."""

    clock: Clock
    key: rsa.RSAPrivateKey
    serial: str
    sent: list[httpx.Request] = field(default_factory=list)

    def of(self, _mode: str, api_version: str, _provider_id: str) -> V3Gateway:
        assert api_version == "v3"
        return V3Gateway(self, now=self.clock.now)

    async def send_json(
        self,
        method: str,
        target: str,
        body: bytes,
        *,
        auth: httpx.Auth,
        headers: Mapping[str, str] = MappingProxyType({}),
        deadline_s: float | None = None,
        repeatable: bool = True,
    ) -> RawAnswer:
        assert deadline_s is None
        assert repeatable
        request = httpx.Request(method, f"https://wechat.example{target}", content=body, headers=headers)
        self.sent.append(next(auth.sync_auth_flow(request)))
        return self._signed({"prepay_id": f"wx21{len(self.sent):032d}"})

    def _signed(self, answer: dict[str, Any]) -> RawAnswer:
        body, timestamp, nonce = json.dumps(answer).encode(), str(int(self.clock.now().timestamp())), "n" * 32
        headers = {
            "wechatpay-serial": self.serial,
            "wechatpay-timestamp": timestamp,
            "wechatpay-nonce": nonce,
            "wechatpay-signature": signing.sign(self.key, signing.signed_message(timestamp, nonce, body)),
            "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
        }
        return RawAnswer(200, headers, body, 12, "wechat.example")
