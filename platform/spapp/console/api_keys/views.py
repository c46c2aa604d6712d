"""API keys as templates show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spapp.console.frame.words import KEY_IN_USE, KEY_REVOKED, Chip
from spapp.web.i18n import N_
from sptenants.registry.key_service import KeyRow
from sptenants.registry.rights import OF_PROVIDER_KEYS, OF_TENANT_KEYS, Right

RIGHT_WORDS = {
    Right.ORDERS_READ: N_("查询订单、退款、事件与投递"),
    Right.ORDERS_WRITE: N_("下单、查单、关单"),
    Right.REFUNDS_WRITE: N_("退款"),
    Right.WEBHOOKS_WRITE: N_("管理 Webhook 与重发"),
    Right.TENANTS_WRITE: N_("接入特约商户与绑定 AppID"),
}


@dataclass(frozen=True, slots=True)
class RightChoice:
    """One box of the form."""

    code: str
    word: str
    chosen: bool


def right_choices(chosen: Sequence[str], *, of_provider: bool) -> tuple[RightChoice, ...]:
    """Return the boxes of the form, those of a provider's own key with one more."""
    offered = OF_PROVIDER_KEYS if of_provider else OF_TENANT_KEYS
    return tuple(RightChoice(right.value, RIGHT_WORDS[right], right.value in chosen) for right in offered)


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key; `base` is the address of the key list, `may_revoke` whether the person may end it."""

    row: KeyRow
    base: str
    may_revoke: bool

    @property
    def chip(self) -> Chip:
        return KEY_IN_USE if self.row.revoked_at is None else KEY_REVOKED

    @property
    def is_own(self) -> bool:
        return self.row.tenant_id is None

    @property
    def revoke_url(self) -> str | None:
        """Where to end it; None when it has ended, or the person may not."""
        if self.row.revoked_at is not None or not self.may_revoke:
            return None
        return f"{self.base}/{self.row.id}/revoke"
