"""Whose keys count, and what was found out about one signed text."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from wechatpay.credentials import ApiV3Key, V2Key
from wechatpay.inspect.recipe import Step
from wechatpay.inspect.sample import Remark
from wechatpay.inspect.v3.sample import Kind
from wechatpay.v3.platform_keys import PlatformKey

Verdict = Literal["right", "found", "unexplained"]


@dataclass(frozen=True, slots=True, eq=False)
class OwnKey:
    """The public half of one of the provider's API certificates; `active` is the one that signs now."""

    serial: str
    public_key: RSAPublicKey = field(repr=False)
    active: bool = True


@dataclass(frozen=True, slots=True)
class Account:
    """One service provider, or a plain merchant without sub-merchants; nothing of anybody else.

    `opening` is the API v3 key, `old` are replaced ones and `v2` those of API v2, which are taken for it by
    mistake. `now` is aware.
    """

    mch_id: str
    appid: str
    now: datetime
    platform: tuple[PlatformKey, ...] = ()
    own: tuple[OwnKey, ...] = ()
    opening: tuple[ApiV3Key, ...] = ()
    old: tuple[ApiV3Key, ...] = ()
    v2: tuple[V2Key, ...] = ()
    sub_mch_ids: tuple[str, ...] = ()
    sub_appids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`right`: verifies as the rules say. `found`: `steps` say why it does not. `unexplained`: no idea fits.

    `serial` is the key under which it verified; `key_version` that of the API v3 key that opened what is
    inside a callback. `lines` are (what, how it should read): the lines that are signed, a body by its
    length alone. `app` is the appId a cashier was signed for. Nothing in it was signed by us.
    """

    kind: Kind
    verdict: Verdict
    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...]
    lines: tuple[tuple[str, str], ...]
    serial: str | None = None
    key_version: int | None = None
    app: str | None = None
    checks: int = 0

    @property
    def causes(self) -> tuple[Step | Remark, ...]:
        """Everything that is wrong, the signature's own first."""
        steps: tuple[Step | Remark, ...] = self.steps
        return steps + self.remarks


def shown_time(told: str) -> str:
    """Return a time as it may stand in `lines`; what is no number may be the nonce in its place."""
    return told if told.isdecimal() and told.isascii() else "•" * min(len(told), 32)


def shown_nonce(told: str) -> str:
    """Return a nonce as it may stand in `lines`: by its length."""
    return "•" * min(len(told), 32)


def verdict_of(serial: str | None, steps: tuple[Step, ...]) -> Verdict:
    """Return what comes of it: a text that verified without any step is right."""
    if steps:
        return "found"
    return "right" if serial is not None else "unexplained"
