"""Answers of the simulated v2 calls: signed or not, as XML (wechatpay-v2 1.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .admission import Call, Declined, Refused
from .messages import ECHOED
from .signing import nonce, sign
from .wire import write_xml


@dataclass(frozen=True, slots=True)
class Answer:
    """The fields of an answer. `call` is who it is signed for; refusals have none and no signature."""

    fields: dict[str, str]
    call: Call | None = None
    broken_sign: bool = False
    no_sign: bool = False

    def body(self) -> bytes:
        """Return the XML with a fresh nonce, signed with the request's own type."""
        if self.call is None:
            return write_xml(self.fields)
        fields = self.fields | {"nonce_str": nonce()}
        if not self.no_sign:
            signature = sign(fields, self.call.key, self.call.sign_type)
            fields["sign"] = signature[::-1] if self.broken_sign else signature
        return write_xml(fields)

    def with_fields(self, fields: dict[str, str]) -> Answer:
        """Return the answer with other content; the signature is made over it."""
        return replace(self, fields=self.fields | fields)


def refusal(refused: Refused) -> Answer:
    """Return the unsigned answer of the communication level."""
    return Answer({"return_code": "FAIL", "return_msg": refused.message})


def done(call: Call, fields: dict[str, str]) -> Answer:
    """Return the signed answer of success."""
    return Answer(_envelope(call) | {"result_code": "SUCCESS"} | fields, call)


def declined(call: Call, reason: Declined) -> Answer:
    """Return the signed answer of a business failure."""
    outcome = {"result_code": "FAIL", "err_code": reason.err_code, "err_code_des": reason.description}
    return Answer(_envelope(call) | outcome, call)


def _envelope(call: Call) -> dict[str, str]:
    echo = {name: call.get(name) for name in ECHOED if call.get(name)}
    return {"return_code": "SUCCESS", "return_msg": "OK"} | echo
