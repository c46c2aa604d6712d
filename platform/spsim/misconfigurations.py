"""Controls of what is set up wrongly on WeChat's side, for trying out whether a platform finds it.

GET /_sim/misconfigurations
    The kinds, and the trade types that are refused at present.
POST /_sim/misconfigurations
    `kind` and what it is about. `end_relation` (`mch_id`, `sub_mch_id`): the sub-merchant left the provider;
    `restrict`, `unauthorize` (the same): collecting is restricted, the product is not authorised;
    `unbind` (`mch_id`, `sub_mch_id`, `sub_appid`): the appid is bound no more; `unlink_appid` (`mch_id`): the
    provider's appid is linked no more; `other_key`, `other_v3_key` (`mch_id`): WeChat has another API v2 or
    APIv3 key; `revoke_certificate` (`mch_id`): the client certificate is not valid any more; `other_secret`
    (`appid`): the AppSecret was reset. These are undone by registering the provider again. `forget_appid`
    (`appid`): the login does not know the appid; `close_product` (`mch_id`, `sub_mch_id`, `trade_type`): the
    product was never opened.
DELETE /_sim/misconfigurations
    Know every appid and open every product again.
POST /_sim/front
    What stands before a notify address: `target` is where it really is, `kind` one of `pass`, `redirect`,
    `human_check`, `page`, `error`, `slow` (`ms`), `cut`. Everything below `/notify/` of this port goes there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import settings
from .admission import Call, Declined
from .control_input import ControlRefused, Document, bad_request, text
from .ledger import Ledger
from .signing import random_text
from .world import World

_CLOSED: Final = "closed_products"
_UNKNOWN: Final = "unknown_appids"
_OTHER_KEY: Final = "MisconfiguredOnPurpose0123456789"


class Misconfigurations:
    """Changes what WeChat knows; raises ControlRefused for what it does not know."""

    def __init__(self, world: World) -> None:
        self._world = world

    def describe(self) -> Document:
        """Return the kinds and what is refused at present."""
        return {"kinds": sorted(_KINDS), "closed_products": _closed(self._world.ledger)}

    def set(self, document: Document) -> Document:
        """Misconfigure one thing."""
        kind = text(document, "kind")
        if kind not in _KINDS:
            raise bad_request(f"kind must be one of {', '.join(sorted(_KINDS))}")
        names, change = _KINDS[kind]
        given = {name: text(document, name) or "" for name in names}
        if missing := [name for name, value in given.items() if not value]:
            raise bad_request(f"{kind} needs {', '.join(missing)}")
        if document.keys() - {"kind", *names}:
            raise bad_request(f"{kind} has no other parameters than {', '.join(names)}")
        with self._world.ledger.transaction():
            if not change(self._world.ledger, given):
                raise ControlRefused(404, "NOTHING_THERE", "没有这样的配置", "register it first")
        return {"kind": kind, **given}

    def clear(self) -> None:
        """Undo what registering does not."""
        settings.keep(self._world.ledger, _CLOSED, [])
        settings.keep(self._world.ledger, _UNKNOWN, [])


def check_product(world: World, call: Call) -> None:
    """Raise Declined when the trade type of a new order was never opened for the sub-merchant."""
    if is_closed(world, call.provider.mch_id, call.get("sub_mch_id"), call.get("trade_type")):
        raise Declined("NOAUTH", "商户无此接口权限")


def is_closed(world: World, mch_id: str, sub_mch_id: str, trade_type: str) -> bool:
    """Tell whether a product was never opened for a sub-merchant."""
    return [mch_id, sub_mch_id, trade_type] in _closed(world.ledger)


def is_forgotten(ledger: Ledger, appid: str) -> bool:
    """Tell whether the login is to know nothing of an appid."""
    return appid in settings.read(ledger, _UNKNOWN, list[str]())


def _closed(ledger: Ledger) -> list[list[str]]:
    return settings.read(ledger, _CLOSED, [])


def _end_relation(ledger: Ledger, given: dict[str, str]) -> bool:
    pair = given["mch_id"], given["sub_mch_id"]
    ledger.run("DELETE FROM binding WHERE mch_id = ? AND sub_mch_id = ?", *pair)
    return ledger.run("DELETE FROM sub_merchant WHERE mch_id = ? AND sub_mch_id = ?", *pair) > 0


def _status(status: str) -> Callable[[Ledger, dict[str, str]], bool]:
    def change(ledger: Ledger, given: dict[str, str]) -> bool:
        changed = ledger.run(
            "UPDATE sub_merchant SET wechat_status = ? WHERE mch_id = ? AND sub_mch_id = ?",
            status,
            given["mch_id"],
            given["sub_mch_id"],
        )
        return changed > 0

    return change


def _unbind(ledger: Ledger, given: dict[str, str]) -> bool:
    removed = ledger.run(
        "DELETE FROM binding WHERE mch_id = ? AND sub_mch_id = ? AND sub_appid = ?",
        given["mch_id"],
        given["sub_mch_id"],
        given["sub_appid"],
    )
    return removed > 0


def _unlink(ledger: Ledger, given: dict[str, str]) -> bool:
    return ledger.run("DELETE FROM linked_appid WHERE mch_id = ?", given["mch_id"]) > 0


def _other_key(ledger: Ledger, given: dict[str, str]) -> bool:
    change = "UPDATE provider SET api_v2_key = ? WHERE mch_id = ?"
    return ledger.run(change, _OTHER_KEY, given["mch_id"]) > 0


def _other_v3_key(ledger: Ledger, given: dict[str, str]) -> bool:
    change = "UPDATE provider SET api_v3_key = ? WHERE mch_id = ?"
    return ledger.run(change, _OTHER_KEY, given["mch_id"]) > 0


def _revoke(ledger: Ledger, given: dict[str, str]) -> bool:
    change = "UPDATE api_certificate SET revoked = 1 WHERE mch_id = ? AND revoked = 0"
    return ledger.run(change, given["mch_id"]) > 0


def _other_secret(ledger: Ledger, given: dict[str, str]) -> bool:
    change = "UPDATE app_secret SET secret = ? WHERE appid = ?"
    return ledger.run(change, random_text(32), given["appid"]) > 0


def _close_product(ledger: Ledger, given: dict[str, str]) -> bool:
    closed = [given["mch_id"], given["sub_mch_id"], given["trade_type"]]
    settings.keep(ledger, _CLOSED, [*_closed(ledger), closed])
    return True


def _forget_appid(ledger: Ledger, given: dict[str, str]) -> bool:
    settings.keep(ledger, _UNKNOWN, [*settings.read(ledger, _UNKNOWN, list[str]()), given["appid"]])
    return True


_OF_SUB_MERCHANT: Final = ("mch_id", "sub_mch_id")
_KINDS: Final[dict[str, tuple[tuple[str, ...], Callable[[Ledger, dict[str, str]], bool]]]] = {
    "end_relation": (_OF_SUB_MERCHANT, _end_relation),
    "restrict": (_OF_SUB_MERCHANT, _status("restricted")),
    "unauthorize": (_OF_SUB_MERCHANT, _status("unauthorized")),
    "unbind": ((*_OF_SUB_MERCHANT, "sub_appid"), _unbind),
    "unlink_appid": (("mch_id",), _unlink),
    "other_key": (("mch_id",), _other_key),
    "other_v3_key": (("mch_id",), _other_v3_key),
    "revoke_certificate": (("mch_id",), _revoke),
    "other_secret": (("appid",), _other_secret),
    "forget_appid": (("appid",), _forget_appid),
    "close_product": ((*_OF_SUB_MERCHANT, "trade_type"), _close_product),
}
"""What each kind is about, and what it does; False when there is nothing to misconfigure."""
