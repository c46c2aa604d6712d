"""Why a service provider cannot be used right now."""

from __future__ import annotations

from spcore.errors import DomainError, Text


class ProviderNotReady(DomainError):
    """The provider has no usable key, so that nothing can be signed or verified for it."""

    code = "provider_not_ready"

    @classmethod
    def without_key(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商还没有 API v2 密钥，请在服务商的密钥页（或导入文件的 api_v2_key）中填写。",
                "This provider has no API v2 key yet; set it on its key page or import api_v2_key.",
            )
        )

    @classmethod
    def unreadable_key(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商的密钥无法解密：主密钥不对或记录已损坏，请检查 WXSP_MASTER_KEY 或重新填写密钥。",
                "This provider's key cannot be decrypted: wrong master key or damaged record; "
                "check WXSP_MASTER_KEY or set the key again.",
            )
        )
