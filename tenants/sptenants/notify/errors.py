"""Refusals about notifications."""

from __future__ import annotations

from spcore.errors import DomainError, Fault, InvalidInput, Text

MAX_REASON = 200


class NotReplayable(DomainError):
    """This message cannot take effect: it is not genuine, not whole, or nothing of ours asked for it."""

    code = "state_conflict"

    @classmethod
    def not_kept(cls) -> NotReplayable:
        return cls(
            Text(
                "这条通知不能重新处理：报文没有完整保留，或它不是发到本版本使用的地址。",
                "This message cannot be replayed: not all of it was kept, or its address is not in use.",
            )
        )

    @classmethod
    def not_genuine(cls) -> NotReplayable:
        return cls(
            Text(
                "按现在的密钥验签仍不通过，不能证明是微信支付发出的，因此不会处理。请核对 API 密钥后再试。",
                "Its signature is not right under the present keys either, so nothing proves that WeChat Pay"
                " sent it, and nothing was done. Check the API key and try again.",
            )
        )


def reason_given(typed: str) -> str:
    """Return the reason of a person's act without blanks around it. Raises InvalidInput without one."""
    reason = typed.strip()
    if not reason:
        text = Text("请填写重新处理的原因。", "Say why it is replayed.")
        raise InvalidInput(Fault("#/reason", "missing", text))
    if len(reason) > MAX_REASON:
        text = Text(f"原因最多 {MAX_REASON} 个字符。", f"The reason has at most {MAX_REASON} characters.")
        raise InvalidInput(Fault("#/reason", "too_long", text))
    return reason
