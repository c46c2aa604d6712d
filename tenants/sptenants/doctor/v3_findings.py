"""What may be found about a service provider's keys for API v3, and about its echo."""

from __future__ import annotations

from sptenants.doctor.findings import FAIL, UNCHECKED, WARN, finding

API_V3_KEY = {
    "missing": finding(
        FAIL,
        "provider",
        (
            "没有 APIv3 密钥，微信的通知无法解密；微信侧没有设置它时，微信根本不发通知。",
            "There is no API v3 key, so that notifications cannot be opened; WeChat sends none without one.",
        ),
        (
            "在微信支付服务商平台「账户中心 → API 安全」设置 32 位 APIv3 密钥，再填到「证书与密钥」。",
            "Set an API v3 key of 32 characters in WeChat's provider console (account centre, API security),"
            " then enter it on the credentials page.",
        ),
    ),
    "unreadable": finding(
        FAIL,
        "platform",
        (
            "APIv3 密钥无法解密，或不是 32 个字母或数字。",
            "The API v3 key cannot be decrypted, or is not 32 letters or digits.",
        ),
        ("核对主密钥 WXSP_MASTER_KEY，或重新填写密钥。", "Check WXSP_MASTER_KEY, or enter the key again."),
    ),
}
WECHAT_KEY = {
    "missing": finding(
        FAIL,
        "provider",
        (
            "既没有微信支付公钥，也没有平台证书，微信的应答和通知都无法验签。",
            "There is neither a WeChat Pay public key nor a platform certificate to verify answers with.",
        ),
        (
            "在微信支付服务商平台「账户中心 → API 安全」下载微信支付公钥，连同公钥 ID 填到「证书与密钥」。",
            "Download the WeChat Pay public key in WeChat's provider console (account centre, API security)"
            " and enter it with its id on the credentials page.",
        ),
    ),
    "unreadable": finding(
        FAIL,
        "platform",
        ("{serial} 无法解密或已损坏。", "{serial} cannot be decrypted or is damaged."),
        ("核对主密钥 WXSP_MASTER_KEY，或重新填写。", "Check WXSP_MASTER_KEY, or enter it again."),
    ),
    "unmatched": finding(
        FAIL,
        "provider",
        (
            "微信应答的签名用已保存的微信支付公钥和平台证书都验不过。",
            "No stored public key or platform certificate verifies WeChat's answer.",
        ),
        (
            "核对公钥 ID 与公钥内容：重新下载微信支付公钥，作为候选在「证书与密钥」演练后启用。",
            "Check id and content of the public key: download it again, rehearse it as a candidate on the"
            " credentials page, then put it to use.",
        ),
    ),
}
PLATFORM_CERT = {
    "expired": finding(
        FAIL,
        "wechat",
        (
            "平台证书已于 {date} 过期，也没有微信支付公钥。",
            "The platform certificate expired on {date} and there is no public key.",
        ),
        (
            "新证书由后台任务自动下载；微信侧已作废平台证书的，请改用微信支付公钥。",
            "The worker fetches newer ones; where WeChat has ended certificates, enter the public key.",
        ),
    ),
    "expired_beside_key": finding(
        WARN,
        "provider",
        (
            "平台证书已于 {date} 过期；现在只靠微信支付公钥验签。",
            "The platform certificate expired on {date}; the public key alone verifies now.",
        ),
        (
            "微信侧已切换完成的，在「公钥切换」页停用平台证书。",
            "Once WeChat's change-over is done, retire the certificates on the change-over page.",
        ),
    ),
    "soon": finding(
        WARN,
        "wechat",
        (
            "平台证书将于 {date} 过期，还剩 {days} 天，新证书还没有下载到。",
            "The platform certificate ends on {date}, in {days} days, and no newer one has come yet.",
        ),
        (
            "微信在到期前约 10 天发布新证书，后台任务每 12 小时下载一次。",
            "WeChat issues the next one about ten days before; the worker asks every twelve hours.",
        ),
    ),
    "fetch_failed": finding(
        WARN,
        "platform",
        ("最近一次下载平台证书失败（{why}）。", "The last fetch of platform certificates failed ({why})."),
        (
            "后台任务每小时重试；持续失败请检查 APIv3 密钥与出网。",
            "The worker tries again every hour; if it goes on, check the API v3 key and the way out.",
        ),
    ),
}
ECHO = {
    "not_notified": finding(
        FAIL,
        "platform",
        (
            "微信接受了回声请求，但 {seconds} 秒内没有收到它的通知。",
            "WeChat took the echo, but its notification did not arrive within {seconds} s.",
        ),
        (
            "检查 WXSP_PUBLIC_URL、反向代理和防火墙是否放行 /notify/，并核对 APIv3 密钥与微信侧一致。",
            "See that WXSP_PUBLIC_URL, proxy and firewall let /notify/ through, and that the API v3 key is"
            " the one WeChat has.",
        ),
    ),
    "refused": finding(
        WARN,
        "provider",
        ("微信拒绝了回声请求：{code} {message}", "WeChat refused the echo: {code} {message}"),
        ("按微信的答复处理后重新检查。", "Settle what WeChat names, then check again."),
    ),
    "not_offered": finding(
        UNCHECKED,
        "wechat",
        ("微信没有为该商户号提供回声接口。", "WeChat does not offer the echo to this merchant number."),
        ("无需处理：其他项目已检查签名与证书。", "Nothing to do: other items check signature and keys."),
    ),
    "unclear": finding(
        UNCHECKED,
        "wechat",
        ("回声请求没有明确答复（{why}）。", "The echo got no clear answer ({why})."),
        ("稍后重新检查。", "Check again later."),
    ),
}
