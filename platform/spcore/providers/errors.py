"""Why a service provider cannot be used right now, and why a key of it cannot be changed as asked."""

from __future__ import annotations

from spcore.errors import DomainError, Text


class ProviderNotReady(DomainError):
    """The provider lacks the key or certificate that the call needs."""

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

    @classmethod
    def without_v3_key(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商还没有 APIv3 密钥，微信的 APIv3 通知因此无法解密；"
                "请在服务商的密钥页（或导入文件的 api_v3_key）中填写。",
                "This provider has no APIv3 key yet, without which WeChat's notifications cannot be opened; "
                "set it on its key page or import api_v3_key.",
            )
        )

    @classmethod
    def without_certificate(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商还没有 API 证书，APIv3 的所有调用以及 APIv2 的退款和撤销都需要它；"
                "请在导入文件的 client_cert_pem 和 client_key_pem 中填写。",
                "This provider has no API certificate yet, which every call by API v3 and the refunds and "
                "reversals of API v2 need; "
                "import client_cert_pem and client_key_pem.",
            )
        )

    @classmethod
    def expired_certificate(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商的 API 证书已过期，退款和撤销暂不可用，收款不受影响；"
                "请在微信支付服务商平台申请新证书后重新导入。",
                "This provider's API certificate has expired: refunds and reversals are unavailable, "
                "payments go on. Apply for a new certificate in WeChat's provider console and import it.",
            )
        )

    @classmethod
    def unreadable_certificate(cls) -> ProviderNotReady:
        return cls(
            Text(
                "该服务商的 API 证书无法解密：主密钥不对或记录已损坏，"
                "请检查 WXSP_MASTER_KEY 或重新导入证书。",
                "This provider's API certificate cannot be decrypted: wrong master key or damaged record; "
                "check WXSP_MASTER_KEY or import the certificate again.",
            )
        )


class KeyChangeRefused(DomainError):
    """A key cannot change its state this way; nothing was changed."""

    code = "key_change_refused"

    @classmethod
    def not_rehearsed(cls) -> KeyChangeRefused:
        return cls(
            Text(
                "这个候选密钥在最近 30 分钟内没有通过演练；请先演练，或写明理由后直接启用。",
                "This candidate has not passed a rehearsal within the last 30 minutes; rehearse it first, or "
                "give a reason for going on without.",
            )
        )

    @classmethod
    def expired(cls) -> KeyChangeRefused:
        return cls(
            Text("这张证书已过期，不能启用。", "This certificate has expired and cannot be put into use.")
        )

    @classmethod
    def nothing_before(cls) -> KeyChangeRefused:
        return cls(
            Text(
                "没有可以退回的版本：上一个版本的过渡期已结束，或从未更换过。",
                "There is no version to go back to: the time of the one before is over, or there was none.",
            )
        )

    @classmethod
    def still_needed(cls) -> KeyChangeRefused:
        return cls(
            Text(
                "它是唯一在用的一个，停用后就无法继续调用或验签；请先启用另一个。",
                "It is the only one in use, without which no call and no message could be handled; put "
                "another one into use first.",
            )
        )


class PlatformKeyMissing(ProviderNotReady):
    """There is none of WeChat's keys, by which its answers could be verified."""

    def __init__(self) -> None:
        super().__init__(
            Text(
                "该服务商还没有微信支付公钥或平台证书，无法验证微信的应答；"
                "请在密钥页（或导入文件的 wechatpay_public_keys）中填写公钥，或等待平台证书下载完成。",
                "This provider has neither a WeChat Pay public key nor a platform certificate, so WeChat's "
                "answers could not be verified; set a public key on its key page or import "
                "wechatpay_public_keys, or wait until the platform certificates are fetched.",
            )
        )
