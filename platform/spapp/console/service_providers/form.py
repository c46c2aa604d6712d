"""The form that registers a service provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spapp.console.frame.forms import field as text_of
from spapp.web.i18n import N_
from spcore.errors import Text
from spcore.providers.models import Mode
from sptenants.registry.providers import NewProvider
from wechatpay.credentials import ProviderKind, SignType

KINDS = {
    ProviderKind.ORDINARY: N_("普通服务商"),
    ProviderKind.BANK: N_("银行服务商"),
    ProviderKind.MERCHANT: N_("普通商户"),
}


@dataclass(frozen=True, slots=True)
class ProviderForm:
    """The fields as typed; `faults` by field."""

    name: str = ""
    mode: str = Mode.TEST.value
    kind: str = ProviderKind.ORDINARY.value
    mch_id: str = ""
    appid: str = ""
    sign_type: str = SignType.HMAC_SHA256.value
    faults: Mapping[str, Text] = field(default_factory=dict)

    @classmethod
    def read(cls, form: Any) -> ProviderForm:
        def typed(name: str) -> str:
            return text_of(form, name).strip()

        return cls(
            name=typed("name"),
            mode=typed("mode"),
            kind=typed("kind"),
            mch_id=typed("mch_id"),
            appid=typed("appid"),
            sign_type=typed("sign_type"),
        )

    def wanted(self) -> NewProvider:
        return NewProvider(self.name, self.mode, self.kind, self.mch_id, self.appid, self.sign_type)
