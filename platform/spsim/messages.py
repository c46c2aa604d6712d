"""Payment notification bodies (wechatpay-v2 5.1, vector T6) and the ways in which a fault spoils them."""

from __future__ import annotations

from . import payments
from .faults import Fault
from .payments import Payment
from .registry import another_sub_merchant
from .signing import nonce, sign
from .trades import Trade
from .wire import write_xml
from .world import World

ECHOED = ("appid", "mch_id", "sub_appid", "sub_mch_id", "device_info")


def payment_fields(trade: Trade, payment: Payment) -> dict[str, str]:
    """Return the unsigned notification of a payment, complete as vector T6."""
    fields = {"return_code": "SUCCESS", "return_msg": "OK"}
    fields |= {name: trade.get(name) for name in ECHOED if trade.get(name)}
    return fields | {"nonce_str": nonce(), "result_code": "SUCCESS"} | payments.paid_fields(trade, payment)


def payment_body(
    world: World,
    trade: Trade,
    payment: Payment,
    key: str,
    fault: Fault | None,
    changes: dict[str, str] | None = None,
) -> bytes:
    """Return the notification of a payment, signed with an API v2 key.

    `changes` replaces, adds or (with "") empties fields before signing; a fault may do the same, or spoil the
    signature afterwards.
    """
    fields = payment_fields(trade, payment) | (changes or {})
    if fault is not None:
        fields |= _spoiled_content(world, trade, fault)
    fields["sign"] = sign(fields, key, trade.sign_type)
    if fault is not None and fault.kind == "wrong_signature":
        fields["sign"] = fields["sign"][::-1]
    if fault is not None and fault.kind == "missing_signature":
        del fields["sign"]
    return write_xml(fields)


def other_sub_merchant(world: World, trade: Trade, fault: Fault) -> str:
    """Return the sub-merchant that the fault `other_tenant` names; another one of the provider by default."""
    other = another_sub_merchant(world.ledger, trade.mch_id, trade.get("sub_mch_id"))
    return fault.text("sub_mch_id", other)


def _spoiled_content(world: World, trade: Trade, fault: Fault) -> dict[str, str]:
    """Return the fields that the fault changes; they are signed, so only their content is wrong."""
    if fault.kind == "wrong_amount":
        other = str(fault.number("total_fee", int(trade.get("total_fee")) + 1))
        return {"total_fee": other, "cash_fee": other}
    if fault.kind == "other_tenant":
        return {"sub_mch_id": other_sub_merchant(world, trade, fault)}
    return fault.changed_fields()
