"""Who talks to whom in the demo: a tenant's server and mini-program to us, a payer's phone to WeChat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx


class DemoFailed(RuntimeError):
    """Something did not go as it must. The message is for people and has no secret in it."""


@dataclass(frozen=True, slots=True)
class Shop:
    """One tenant of the example, with what its own server and mini-program know."""

    tenant_id: str
    name: str
    sub_mch_id: str
    key: str
    mini_program: str
    prices: tuple[tuple[str, str, int], ...]
    """Code, name and fen."""


class Platform:
    """Our API over HTTP, as anybody outside sees it."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=20.0)

    async def call(self, method: str, path: str, token: str, body: Any = None) -> dict[str, Any]:
        """Return the answer's JSON. Raises DemoFailed for anything but a 2xx."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await _ask(self._http, method, path, headers=headers, json=body)

    async def close(self) -> None:
        await self._http.aclose()


class WeChat:
    """The simulator's controls: what a payer does with a phone."""

    def __init__(self, base_url: str) -> None:
        self._http = httpx.AsyncClient(base_url=base_url, trust_env=False, timeout=20.0)

    async def register(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        """Make everybody known, and return what WeChat issued to each provider."""
        issued = await _ask(self._http, "POST", "/_sim/providers", json=document)
        return list(issued["providers"])

    async def login_code(self, appid: str, openid: str) -> str:
        """Return what wx.login gives a mini-program."""
        body = {"appid": appid, "openid": openid}
        answer = await _ask(self._http, "POST", "/_sim/codes", json=body)
        return str(answer["code"])

    async def pay(self, **what: Any) -> dict[str, Any]:
        return await _ask(self._http, "POST", "/_sim/pay", json=what)

    async def fault(self, path: str, kind: str, **parameters: Any) -> None:
        body = {"path": path, "kind": kind, **parameters}
        await _ask(self._http, "POST", "/_sim/faults", json=body)

    async def control(self, path: str, **what: Any) -> None:
        """Set one of the simulator's switches."""
        await _ask(self._http, "POST", path, json=what)

    async def ledger(self, out_trade_no: str) -> dict[str, Any]:
        return await _ask(self._http, "GET", "/_sim/ledger", params={"out_trade_no": out_trade_no})

    async def close(self) -> None:
        await self._http.aclose()


async def _ask(http: httpx.AsyncClient, method: str, path: str, **parts: Any) -> dict[str, Any]:
    try:
        answer = await http.request(method, path, **parts)
    except httpx.TransportError as error:
        raise DemoFailed(f"{method} {path} → {type(error).__name__}") from None
    if not answer.is_success:
        raise DemoFailed(f"{method} {path} → {answer.status_code} {answer.text[:500]}")
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found
