"""Payment codes: the eighteen digits on a payer's screen (wechatpay-v2 4.1, 4.3).

A code lives a minute and is charged once. What happens then is its `behaviour`, chosen by the tester; a code
that nobody ordered is that of a stranger, who pays at once.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Final

from .admission import Call, Declined
from .registry import same_user_elsewhere, sub_appids
from .signing import random_text
from .trades import Trade
from .world import World

CODE_LIFE_MS: Final = 60 * 1000
BEHAVIOURS: Final = (
    "pay",
    "userpaying",
    "notenough",
    "notsuportcard",
    "trade_error",
    "bankerror",
    "expired",
    "used",
    "invalid",
)
_CODE: Final = re.compile(r"1[0-5][0-9]{16}")


@dataclass(frozen=True, slots=True)
class PayCode:
    """A code with the user it belongs to: `openid` under `appid`, under any appid asked when that is None."""

    code: str
    openid: str
    appid: str | None
    behaviour: str
    created_at: int
    claimed_by: str | None
    trade_id: int | None
    used_at: int | None

    def openid_under(self, appid: str) -> str:
        """Return the user's openid under an appid."""
        if self.appid in {None, appid}:
            return self.openid
        return same_user_elsewhere(appid, self.openid)


def issue(world: World, openid: str, appid: str | None, behaviour: str) -> str:
    """Return a fresh code of a user."""
    code = f"1{random_text(1, '012345')}{random_text(16, '0123456789')}"
    _keep(world, code, openid, appid, behaviour)
    return code


def _keep(world: World, code: str, openid: str, appid: str | None, behaviour: str) -> None:
    world.ledger.run(
        "INSERT INTO auth_code (code, openid, appid, behaviour, created_at) VALUES (?, ?, ?, ?, ?)",
        code,
        openid,
        appid,
        behaviour,
        world.clock.now_ms(),
    )


def usable(world: World, call: Call) -> PayCode:
    """Return the code of a call; raises Declined when it is none, is used, too old or somebody else's."""
    row = _find(world, call.get("auth_code"))
    if row is None or row["behaviour"] == "invalid":
        raise Declined("AUTH_CODE_INVALID", "请扫描微信支付被扫条码/二维码")
    code = PayCode(**dict(row))
    if code.trade_id is not None or code.behaviour == "used":
        raise Declined("AUTH_CODE_ERROR", "付款码已被使用，请刷新后再试")
    if world.clock.now_ms() >= code.created_at + CODE_LIFE_MS or code.behaviour == "expired":
        raise Declined("AUTHCODEEXPIRE", "二维码已过期，请用户在微信上刷新后再试")
    if code.claimed_by not in {None, _merchant(call)}:
        raise Declined("AUTH_CODE_ERROR", "付款码已绑定其他商户")
    return code


def _find(world: World, text: str) -> sqlite3.Row | None:
    """Return the row of a code; None for what no screen can show."""
    if _CODE.fullmatch(text) is None:
        return None
    sql = "SELECT * FROM auth_code WHERE code = ?"
    if world.ledger.row(sql, text) is None:
        _keep(world, text, f"o{random_text(27)}", None, "pay")
    return world.ledger.row(sql, text)


def use(world: World, code: PayCode, trade: Trade) -> None:
    """Note that a code was charged for an order; it cannot be charged again."""
    changed = world.ledger.run(
        "UPDATE auth_code SET trade_id = ?, used_at = ? WHERE code = ? AND trade_id IS NULL",
        trade.id,
        world.clock.now_ms(),
        code.code,
    )
    if changed != 1:
        raise RuntimeError("the payment code was used a moment ago")


def of_trade(world: World, trade: Trade) -> PayCode:
    """Return the code an order was last charged with."""
    sql = "SELECT * FROM auth_code WHERE trade_id = ? ORDER BY used_at DESC, rowid DESC LIMIT 1"
    row = world.ledger.row(sql, trade.id)
    if row is None:
        raise LookupError(f"order {trade.out_trade_no} was not paid by code")
    return PayCode(**dict(row))


def authcodetoopenid(world: World, call: Call) -> dict[str, str]:
    """Tell whose code it is; from then on only this merchant can charge it (wechatpay-v2 4.3)."""
    appids = sub_appids(world.ledger, call.provider.mch_id, call.get("sub_mch_id"))
    sub_appid = call.get("sub_appid")
    if not sub_appid and len(appids) > 1:
        raise Declined("PARAM_ERROR", "子商户绑定了多个sub_appid，必须传sub_appid")
    code = usable(world, call)
    world.ledger.run("UPDATE auth_code SET claimed_by = ? WHERE code = ?", _merchant(call), code.code)
    answer = {"openid": code.openid_under(call.get("appid"))}
    if appids:
        answer["sub_openid"] = code.openid_under(sub_appid or appids[0])
    return answer


def _merchant(call: Call) -> str:
    return f"{call.provider.mch_id}/{call.get('sub_mch_id')}"
