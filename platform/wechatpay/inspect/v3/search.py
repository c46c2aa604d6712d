"""Finding the mistake in a text of API v3.

Why this is no machine for making signatures (rule C6): it has no private key at all. It verifies with public
ones, under the rules and under known mistakes, and says which of them fits. What it shows is the asker's own
text, without signature, nonce, cipher text and people; of the keys it names serial numbers of this account's
alone, so that nobody learns whose an unknown one is.
"""

from __future__ import annotations

from wechatpay.inspect.v3 import callback, cashier, request
from wechatpay.inspect.v3.report import Account, Report
from wechatpay.inspect.v3.sample import Message

_OF_KIND = {"callback": callback.inspect, "request": request.inspect, "cashier": cashier.inspect}


def inspect(message: Message, account: Account) -> Report:
    """Find out what is wrong with a signed text. Uses the processor for up to a quarter of a second."""
    return _OF_KIND[message.kind](message, account)
