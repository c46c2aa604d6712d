"""WeChat's self-test of everything a provider signs, verifies and encrypts with.

Source: wechatpay-v3 1.11.
"""

from __future__ import annotations

from datetime import datetime

from wechatpay.call import CallRecord
from wechatpay.credentials import V3Key
from wechatpay.errors import BadField, EchoMismatch, InvalidRequest, incomplete
from wechatpay.identifiers import MchId
from wechatpay.text import check_notify_url
from wechatpay.transport import JsonLine
from wechatpay.v3 import exchange, oaep
from wechatpay.v3.exchange import Question, Signer
from wechatpay.v3.fields import Fields


async def ask(
    line: JsonLine, mch_id: MchId, own: V3Key, message: str, notify_url: str | None, now: datetime
) -> CallRecord:
    """Send `message`, plain and encrypted, and check that both come back; return the record of the call.

    With `notify_url` a notification SECURITY_ECHO.SUCCESS follows (`notify.open_echo`). The message is at
    most 214 bytes. Raises NotSent, UnknownOutcome, Refused as every call, EchoMismatch for another message
    or one that does not open with our key, InvalidRequest before anything was sent.
    """
    key = own.platform.preferred(now)
    if key is None:
        raise InvalidRequest(
            "wechatpay_serial", "没有可用的微信支付公钥或平台证书", "there is no key of WeChat's that counts"
        )
    if notify_url is not None:
        check_notify_url(notify_url)
    if not 1 <= len(message.encode()) <= oaep.MAX_BYTES:
        raise InvalidRequest(
            "echo_message",
            f"应为 1–{oaep.MAX_BYTES} 字节",
            f"must be 1 to {oaep.MAX_BYTES} bytes",
        )
    body = {
        "echo_message": message,
        "encrypted_echo_message": oaep.encrypt(key.public_key, message),
        "notify_url": notify_url,
    }
    question = Question(
        "v3.echo",
        "POST",
        "/v3/security/echo",
        body=body,
        expected={"echo_message": message},
        encrypting_for=key,
    )
    answer = await exchange.ask(line, Signer(mch_id, own, lambda: now), question)
    fields = Fields(answer.fields)
    try:
        sealed = fields.required("encrypted_echo_message", fields.text)
    except BadField as error:
        raise incomplete(error, answer.call) from None
    if oaep.decrypt(own.private_key, sealed) != message:
        mismatch = EchoMismatch("encrypted_echo_message")
        mismatch.call = answer.call
        raise mismatch
    return answer.call
