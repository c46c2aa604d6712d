"""Price lists: what a code costs, so that a client never names an amount (M2, O01)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from spcore.db.engine import Database
from spcore.db.scope import TenantScope
from spcore.errors import Fault, InvalidInput, Text
from sptenants.prices.models import Price
from sptenants.registry.errors import Forbidden
from wechatpay.money import Fen
from wechatpay.text import is_sendable

MAX_AMOUNT = 999_999_999
MAX_QUANTITY = 9999
MAX_NAME_BYTES = 110
"""Leaves room in the 127 bytes of a description for the quantity (wechatpay-v2 2.2)."""

# With a letter or digit: "." and ".." are no addresses of pages.
_CODE = re.compile(r"(?=.*[0-9A-Za-z])[0-9A-Za-z_.\-]{1,64}")


@dataclass(frozen=True, slots=True)
class NewPrice:
    """One line of a price list as somebody wants it. `amount` is fen for one piece."""

    code: str
    name: str
    amount: int
    max_quantity: int
    active: bool = True

    def faults(self, pointer: str = "#") -> list[Fault]:
        """Return what is wrong with it, empty when it can be stored; `pointer` is its place in the input."""
        found: list[Fault] = []
        if _CODE.fullmatch(self.code) is None:
            found.append(Fault(f"{pointer}/code", "invalid_format", _CODE_RULE))
        if not self.name.strip() or len(self.name.encode()) > MAX_NAME_BYTES or not is_sendable(self.name):
            found.append(Fault(f"{pointer}/name", "invalid_format", _NAME_RULE))
        if not 1 <= self.amount <= MAX_AMOUNT:
            found.append(Fault(f"{pointer}/amount", "out_of_range", _AMOUNT_RULE))
        if not 1 <= self.max_quantity <= MAX_QUANTITY:
            found.append(Fault(f"{pointer}/max_quantity", "out_of_range", _MAX_QUANTITY_RULE))
        return found


@dataclass(frozen=True, slots=True)
class Quote:
    """What an order of so many pieces costs and how it is described to the payer."""

    amount: Fen
    description: str


class Prices:
    """The price lists, one transaction a call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def quote(self, scope: TenantScope, code: str, quantity: int) -> Quote:
        """Return amount and description for `quantity` pieces of `code`.

        Raises Forbidden when the tenant has no price list at all, InvalidInput pointing at `price_code` or
        `quantity` otherwise.
        """
        async with self._database.read(scope) as session:
            price = await price_of(session, scope, code)
            if price is None and not await _count(session, scope):
                raise Forbidden(_NO_PRICE_LIST)
        if price is None or not price.active:
            raise InvalidInput(Fault("#/price_code", "unknown_price", _UNKNOWN_PRICE))
        return quote(price, quantity)


async def price_of(session: AsyncSession, scope: TenantScope, code: str) -> Price | None:
    """Return the tenant's price of this code, also one that is switched off; one statement."""
    return await session.scalar(select(Price).where(Price.tenant_id == scope.tenant_id, Price.code == code))


async def prices_of(session: AsyncSession, scope: TenantScope) -> list[Price]:
    """Return the tenant's whole price list, by code."""
    rows = await session.scalars(select(Price).where(Price.tenant_id == scope.tenant_id).order_by(Price.code))
    return list(rows)


async def put(session: AsyncSession, scope: TenantScope, new: NewPrice, now: datetime) -> bool:
    """Store one line of the price list and say whether anything changed.

    Orders keep the amount they were made with. Raises InvalidInput.
    """
    if faults := new.faults():
        raise InvalidInput(*faults)
    stored = await price_of(session, scope, new.code)
    wanted = {
        "name": new.name,
        "amount": new.amount,
        "max_quantity": new.max_quantity,
        "active": new.active,
    }
    if stored is None:
        session.add(
            Price(
                provider_id=scope.provider_id,
                tenant_id=scope.tenant_id,
                code=new.code,
                updated_at=now,
                **wanted,
            )
        )
        await session.flush()
        return True
    if all(getattr(stored, name) == value for name, value in wanted.items()):
        return False
    await session.execute(
        update(Price)
        .where(Price.tenant_id == scope.tenant_id, Price.code == new.code)
        .values(**wanted, updated_at=now)
    )
    return True


def quote(price: Price, quantity: int) -> Quote:
    """Multiply, within the limits of the price and of WeChat. Raises InvalidInput."""
    if type(quantity) is not int or not 1 <= quantity <= price.max_quantity:
        raise InvalidInput(
            Fault(
                "#/quantity",
                "out_of_range",
                Text(
                    f"必须是 1 到 {price.max_quantity} 的整数。",
                    f"must be a whole number from 1 to {price.max_quantity}.",
                ),
            )
        )
    total = price.amount * quantity
    if total > MAX_AMOUNT:
        raise InvalidInput(Fault("#/quantity", "amount_too_large", _TOO_MUCH))
    description = price.name if quantity == 1 else f"{price.name} ×{quantity}"
    return Quote(Fen(total), description)


async def _count(session: AsyncSession, scope: TenantScope) -> int:
    counted = await session.scalar(
        select(func.count()).select_from(Price).where(Price.tenant_id == scope.tenant_id)
    )
    return counted or 0


_CODE_RULE = Text(
    "须为 1–64 位字母、数字或 _ . -，至少含一个字母或数字。",
    "must be 1 to 64 letters, digits or any of _ . -, with a letter or digit among them",
)
_NAME_RULE = Text(
    f"不能为空，UTF-8 不超过 {MAX_NAME_BYTES} 字节，不含表情和控制字符。",
    f"must not be empty, at most {MAX_NAME_BYTES} bytes of UTF-8, without emoji and control characters",
)
_AMOUNT_RULE = Text("须为 1 到 999999999 的整数（分）。", "must be 1 to 999999999 fen")
_MAX_QUANTITY_RULE = Text("须为 1 到 9999 的整数。", "must be 1 to 9999")
_NO_PRICE_LIST = Text(
    "该特约商户没有商品价目，小程序不能自行下单：请由商户服务端下单，或先录入价目。",
    "This sub-merchant has no price list, so its mini-program cannot create orders: let the merchant's server"
    " create them, or enter prices first.",
)
_UNKNOWN_PRICE = Text(
    "价目中没有这个代码或已停用，请使用在售的 price_code。",
    "is not on the price list or switched off; use a price_code that is for sale.",
)
_TOO_MUCH = Text(
    "合计超过单笔上限 9999999.99 元，请减少数量。", "would cost more than 9999999.99 yuan; ask for fewer."
)
