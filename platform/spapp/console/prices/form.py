"""The form of one price: typed in yuan, stored in fen, said what is wrong field by field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.console.frame.forms import fen_of_yuan
from spapp.console.frame.forms import field as text_of
from spcore.errors import InvalidInput, Text
from sptenants.prices.editing import PriceRecord
from sptenants.prices.service import NewPrice

DEFAULT_MAX_QUANTITY = "20"

_WHOLE = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class PriceForm:
    """The fields as typed; `faults` by field."""

    code: str = ""
    name: str = ""
    amount: str = ""
    max_quantity: str = DEFAULT_MAX_QUANTITY
    active: bool = True
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def of(cls, price: PriceRecord) -> PriceForm:
        return cls(price.code, price.name, price.amount.yuan, str(price.max_quantity), price.active)

    @classmethod
    def read(cls, form: Any, code: str | None = None) -> PriceForm:
        """Read the form; of a price that exists the code stands in the address."""
        return cls(
            code=text_of(form, "code").strip() if code is None else code,
            name=text_of(form, "name").strip(),
            amount=text_of(form, "amount").strip(),
            max_quantity=text_of(form, "max_quantity").strip(),
            active=text_of(form, "active") == "yes",
        )

    def check(self) -> tuple[NewPrice | None, dict[str, Text]]:
        """Return the price that is wanted, or what is wrong by field."""
        amount = fen_of_yuan(self.amount)
        quantity = int(self.max_quantity) if _WHOLE.fullmatch(self.max_quantity) else 0
        new = NewPrice(self.code, self.name, amount.value if amount else 0, quantity, self.active)
        faults = {fault.pointer.removeprefix("#/"): fault.text for fault in new.faults()}
        if "amount" in faults:
            faults["amount"] = _AMOUNT
        return (None, faults) if faults else (new, {})


def faults_of(refusal: InvalidInput) -> dict[str, Text]:
    """Return what the service refused, by field of the form."""
    return {fault.pointer.removeprefix("#/"): fault.text for fault in refusal.faults}


_AMOUNT = Text(
    "请填写以元为单位、大于 0、最多两位小数的数字，例如 12.80。",
    "Write yuan as a number above 0 with at most two decimals, such as 12.80.",
)
