"""A provider's move to API v3, as its people make it: keys at WeChat, keys here, then the switch."""

from __future__ import annotations

import json
import secrets
import string
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from tests.support.installation import Installation


def new_key() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


def move_to_v3(house: Installation, mch_id: str, *, verification: str = "public_key") -> dict[str, Any]:
    """Give a provider its v3 keys on both sides and have new orders made by v3; return its entry."""
    document = deepcopy(house.document)
    (provider,) = (each for each in document["providers"] if each["mch_id"] == mch_id)
    provider.setdefault("api_v3_key", new_key())
    document["providers"] = [provider | {"verification": verification}]
    document.pop("admins", None)
    (issued,) = house.control("providers", document)["providers"]
    provider |= {"api_version": "v3", "wechatpay_public_keys": issued["wechatpay_public_keys"]}
    if verification == "certificate":
        provider.pop("wechatpay_public_keys")
    take_in(house, provider)
    if verification != "public_key":
        house.ask("run-due", "--once")
    return provider


def take_in(house: Installation, provider: dict[str, Any]) -> None:
    """Import one provider, and remember it as it is now."""
    done = house.command("import", "-", "--json", given=json.dumps({"providers": [provider]}).encode())
    assert done.returncode == 0, done.stderr.decode()
    house.document["providers"] = [
        provider if each["mch_id"] == provider["mch_id"] else each for each in house.document["providers"]
    ]


def refuse_nothing(house: Installation, orders: Iterable[Any]) -> None:
    """Every notification about these orders was taken the first time."""
    for order in orders:
        attempts = house.until_notified(order["out_trade_no"])
        assert [attempt["ok"] for attempt in attempts] == [True], attempts
