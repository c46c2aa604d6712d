"""Trying a candidate against notifications that came in: would they have been believed with it? (B-13)

One that the key in use verifies was sent before the change and says nothing; one that neither does may be
anybody's. One that the candidate alone verifies was made by whoever has it, who should be WeChat.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from spcore.providers.samples import Sample
from wechatpay.credentials import ApiV3Key, SignType, V2Key
from wechatpay.errors import NotificationRejected
from wechatpay.v2 import notify as v2_notify
from wechatpay.v2 import refund_notify as v2_refund
from wechatpay.v3 import aead
from wechatpay.v3 import notify as v3_notify
from wechatpay.v3.platform_keys import PlatformKey, PlatformKeys


class Outcome(StrEnum):
    """`passed` by the candidate, `old`: by the keys in use alone, or `neither`."""

    PASSED = "passed"
    OLD = "old"
    NEITHER = "neither"


def try_v2_key(sample: Sample, candidate: V2Key, present: Sequence[V2Key]) -> Outcome:
    """Verify a payment's signature, or open a refund's encrypted part (wechatpay-v2 5.1, 5.3)."""
    if _v2_accepts(sample, (candidate,)):
        return Outcome.PASSED
    return Outcome.OLD if _v2_accepts(sample, present) else Outcome.NEITHER


def try_v3_key(
    sample: Sample, candidate: ApiV3Key, present: Sequence[ApiV3Key], platform: PlatformKeys
) -> Outcome:
    """Open the resource of a notification that is WeChat's by its signature (wechatpay-v3 1.5)."""
    envelope = _envelope(sample, platform)
    if envelope is None:
        return Outcome.NEITHER

    def opens(key: ApiV3Key) -> bool:
        opened = aead.opened(key, envelope.nonce, envelope.associated_data, envelope.ciphertext)
        return opened is not None

    if opens(candidate):
        return Outcome.PASSED
    return Outcome.OLD if any(opens(key) for key in present) else Outcome.NEITHER


def try_platform_key(sample: Sample, candidate: PlatformKey, present: PlatformKeys) -> Outcome:
    """Verify a notification that names the candidate's serial number (wechatpay-v3 1.4)."""
    if _envelope(sample, PlatformKeys([candidate])) is not None:
        return Outcome.PASSED
    return Outcome.OLD if _envelope(sample, present) is not None else Outcome.NEITHER


def _v2_accepts(sample: Sample, keys: Sequence[V2Key]) -> bool:
    try:
        if sample.kind == "refund":
            v2_refund.read_refund(sample.body, keys)
            return True
        fields = v2_notify.read_payment(sample.body)
    except NotificationRejected:
        return False
    return any(_v2_verifies(fields, keys, sign_type) for sign_type in _algorithms(sample))


def _algorithms(sample: Sample) -> tuple[SignType, ...]:
    return tuple(SignType) if sample.sign_type is None else (sample.sign_type,)


def _v2_verifies(fields: v2_notify.PaymentFields, keys: Sequence[V2Key], sign_type: SignType) -> bool:
    try:
        v2_notify.verify_payment(fields, keys, sign_type)
    except NotificationRejected:
        return False
    return True


def _envelope(sample: Sample, keys: PlatformKeys) -> v3_notify.Envelope | None:
    try:
        return v3_notify.read(sample.headers, sample.body, keys, sample.received_at)
    except NotificationRejected:
        return None
