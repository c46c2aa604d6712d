"""Mini-program login: `wx.login` codes and `GET /sns/jscode2session` (wechatpay-v2 8.1)."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import Final

from .misconfigurations import is_forgotten
from .registry import appid_exists, remember_openid
from .signing import random_text
from .world import World

CODE_LIFE_MS: Final = 5 * 60 * 1000


class LoginFailed(Exception):
    """The exchange fails with one of WeChat's error codes."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"{errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


def issue_code(world: World, appid: str, openid: str) -> str:
    """Return a login code for a user of an appid: one use, five minutes."""
    code = f"0{random_text(31)}"
    with world.ledger.transaction():
        remember_openid(world.ledger, appid, openid)
        world.ledger.run(
            "INSERT INTO login_code (code, appid, openid, created_at) VALUES (?, ?, ?, ?)",
            code,
            appid,
            openid,
            world.clock.now_ms(),
        )
    return code


def exchange(world: World, query: dict[str, str]) -> dict[str, str]:
    """Exchange a code for the user's openid and a fresh session key; raises LoginFailed."""
    for name, errcode in (("appid", 41002), ("secret", 41004), ("js_code", 41008)):
        if not query.get(name):
            raise LoginFailed(errcode, f"{name.removeprefix('js_')} missing")
    if query.get("grant_type") != "authorization_code":
        raise LoginFailed(40002, "invalid grant_type")
    appid = query["appid"]
    if not appid_exists(world.ledger, appid) or is_forgotten(world.ledger, appid):
        raise LoginFailed(40013, "invalid appid")
    secret = world.ledger.row("SELECT secret FROM app_secret WHERE appid = ?", appid)
    if secret is None or not hmac.compare_digest(secret["secret"].encode(), query["secret"].encode()):
        raise LoginFailed(40125, "invalid appsecret")
    openid = _redeem(world, appid, query["js_code"])
    return {"session_key": base64.b64encode(secrets.token_bytes(16)).decode(), "openid": openid}


def _redeem(world: World, appid: str, code: str) -> str:
    row = world.ledger.row("SELECT * FROM login_code WHERE code = ? AND appid = ?", code, appid)
    if row is None or world.clock.now_ms() >= row["created_at"] + CODE_LIFE_MS:
        raise LoginFailed(40029, "invalid code")
    if world.ledger.run("UPDATE login_code SET used = 1 WHERE code = ? AND used = 0", code) != 1:
        raise LoginFailed(40163, "code been used")
    return str(row["openid"])
