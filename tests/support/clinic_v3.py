"""The clinic's provider on API v3, with the keys that the simulator has of it."""

from __future__ import annotations

from typing import Any

from tests.support.clinic import Clinic, control, everything, register
from tests.support.simulated import MCH_ID

from spsim.serve import Running

V3_KEY = "TestOnlyApiV3Key0123456789abcdef"


def everything_v3(where: Running) -> dict[str, Any]:
    """Return the import file of the same provider on API v3; WeChat makes its public key up once."""
    document = everything()
    document["providers"][0] |= {"api_version": "v3", "api_v3_key": V3_KEY}
    made = register(where, document)
    document["providers"][0]["wechatpay_public_keys"] = made["providers"][0]["wechatpay_public_keys"]
    return document


def keys(clinic: Clinic, action: str, **about: Any) -> Any:
    """Change something about WeChat's keys or the rules of API v3."""
    return control(clinic.where, "v3/keys", mch_id=MCH_ID, action=action, **about)
