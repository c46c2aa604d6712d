"""What may be found about a service provider and about the installation itself."""

from __future__ import annotations

from sptenants.doctor.findings import FAIL, UNCHECKED, WARN, finding

KEY = {
    "missing": finding(
        FAIL,
        "provider",
        ("没有 API v2 密钥，无法签名。", "There is no API v2 key to sign with."),
        (
            "在微信支付服务商平台「账户中心 → API 安全」设置 32 位密钥，再填到本平台「证书与密钥」。",
            "Set a key of 32 characters in WeChat's provider console (account centre, API security), then"
            " enter it on the credentials page.",
        ),
    ),
    "missing_beside_v3": finding(
        WARN,
        "provider",
        (
            "没有可用的 API v2 密钥：付款码收款和切换前的旧订单仍按 v2 处理。",
            "No API v2 key is in use; payment codes and orders from before the move still need it.",
        ),
        (
            "还有旧订单或使用付款码的，在「证书与密钥」重新填写 API v2 密钥。",
            "Where old orders or payment codes remain, enter the API v2 key again.",
        ),
    ),
    "unreadable": finding(
        FAIL,
        "platform",
        ("密钥无法解密或格式不对。", "The key cannot be decrypted or is malformed."),
        ("核对主密钥 WXSP_MASTER_KEY，或重新填写密钥。", "Check WXSP_MASTER_KEY, or enter the key again."),
    ),
}
CERT_PAIR = {
    "missing_for_v3": finding(
        FAIL,
        "provider",
        (
            "没有商户 API 证书，APIv3 的任何调用都无法签名。",
            "Without an API certificate no call of API v3 can be signed.",
        ),
        (
            "在微信支付服务商平台「账户中心 → API 安全」申请证书，把证书和私钥填到「证书与密钥」。",
            "Apply for the certificate in WeChat's provider console and enter it with its key.",
        ),
    ),
    "missing": finding(
        FAIL,
        "provider",
        (
            "没有商户 API 证书，不能退款和撤销。",
            "Without an API certificate there are no refunds and reversals.",
        ),
        (
            "在微信支付服务商平台「账户中心 → API 安全」申请证书，把证书和私钥填到「证书与密钥」。",
            "Apply for the certificate in WeChat's provider console and enter it with its key.",
        ),
    ),
    "unreadable": finding(
        FAIL,
        "platform",
        ("证书无法解密或已损坏。", "The certificate cannot be decrypted or is damaged."),
        ("核对主密钥 WXSP_MASTER_KEY，或重新填写证书。", "Check WXSP_MASTER_KEY, or enter it again."),
    ),
    "mismatch": finding(
        FAIL,
        "provider",
        (
            "证书、私钥与商户号对不上：{why}。",
            "Certificate, key and merchant number do not agree: {why}.",
        ),
        (
            "重新下载该商户号的证书，连同私钥一起填写。",
            "Download the certificate of this number again with its key.",
        ),
    ),
}
CERT_EXPIRY = {
    "expired_for_v3": finding(
        FAIL,
        "provider",
        (
            "证书已于 {date} 过期，APIv3 的下单、查询和退款都停了；通知照常处理。",
            "The certificate expired on {date}: no call of API v3 is made; notifications are still taken.",
        ),
        ("在微信支付服务商平台更换证书后重新填写。", "Renew it in WeChat's provider console and enter it."),
    ),
    "expired": finding(
        FAIL,
        "provider",
        (
            "证书已于 {date} 过期，退款和撤销停用。",
            "The certificate expired on {date}; refunds are unavailable.",
        ),
        ("在微信支付服务商平台更换证书后重新填写。", "Renew it in WeChat's provider console and enter it."),
    ),
    "soon": finding(
        WARN,
        "provider",
        ("证书将于 {date} 过期，还剩 {days} 天。", "The certificate ends on {date}, in {days} days."),
        ("提前更换证书；新旧证书可以同时有效。", "Renew it in time; old and new may be valid together."),
    ),
}
URL_PUBLIC = {
    "not_https": finding(
        FAIL,
        "platform",
        ("通知地址不是 https，微信不会回调。", "The notify address is not https; WeChat does not call it."),
        ("把 WXSP_PUBLIC_URL 设为公网 https 地址。", "Set WXSP_PUBLIC_URL to a public https address."),
    ),
    "not_public": finding(
        FAIL,
        "platform",
        (
            "通知地址 {host} 不在公网，或端口不是 443、8443。",
            "The notify address {host} is not public, or its port is neither 443 nor 8443.",
        ),
        ("把 WXSP_PUBLIC_URL 设为公网域名。", "Set WXSP_PUBLIC_URL to a public name."),
    ),
}
GATEWAY = {
    "unreachable": finding(
        FAIL,
        "platform",
        ("连不上微信支付网关（{why}）。", "WeChat Pay's gateway cannot be reached ({why})."),
        ("检查服务器出网、DNS 和防火墙。", "Check the server's way out: DNS, firewall, proxy."),
    ),
    "untrusted": finding(
        FAIL,
        "platform",
        ("网关出示的证书不可信，可能被代理改写。", "The gateway's certificate is not trusted."),
        (
            "检查出网代理；私有信任锚用 WXSP_CA_BUNDLE。",
            "Check the proxy; WXSP_CA_BUNDLE adds trust anchors.",
        ),
    ),
    "broken": finding(
        FAIL,
        "wechat",
        ("网关没有给出有效应答（{why}）。", "The gateway gave no valid answer ({why})."),
        (
            "几分钟后重新检查；持续如此请查看微信支付公告。",
            "Check again in some minutes; else look for WeChat's notices.",
        ),
    ),
    "slow": finding(
        WARN,
        "platform",
        ("网关应答用了 {ms} 毫秒。", "The gateway took {ms} ms to answer."),
        ("检查服务器到微信支付的网络。", "Check the network to WeChat Pay."),
    ),
}
CLOCK = {
    "off": finding(
        WARN,
        "platform",
        ("服务器时间与微信相差 {seconds} 秒。", "The clock is {seconds} s away from WeChat's."),
        ("为服务器启用时间同步（NTP）。", "Have the server's clock kept by NTP."),
    ),
    "far_off": finding(
        FAIL,
        "platform",
        (
            "服务器时间与微信相差 {seconds} 秒，订单有效期和签名会出错。",
            "The clock is {seconds} s away from WeChat's: expiry times and signatures go wrong.",
        ),
        ("立即为服务器启用时间同步（NTP）。", "Have the server's clock kept by NTP at once."),
    ),
    "unknown": finding(
        UNCHECKED,
        "wechat",
        ("微信的应答里没有时间。", "WeChat's answer did not tell the time."),
        ("稍后重新检查。", "Check again later."),
    ),
}
_KEY_AGAIN = (
    "在微信支付服务商平台重新设置 API v2 密钥，填到「证书与密钥」，并核对签名类型。",
    "Set the API v2 key again in WeChat's provider console and here, and check the signature type.",
)
SIGNATURE = {
    "refused_by_v3": finding(
        FAIL,
        "provider",
        (
            "微信答复「签名错误」：商户号、API 证书与私钥不是微信侧登记的那一组。",
            "WeChat says the signature is wrong: number, certificate and key are not those it knows.",
        ),
        (
            "确认证书属于该服务商商户号且没有被更换；重新下载证书和私钥，演练后启用。",
            "See that the certificate is this number's and was not replaced; hand it in again with its key.",
        ),
    ),
    "refused": finding(
        FAIL,
        "provider",
        (
            "微信答复「签名错误」：密钥或签名类型与微信侧不一致。",
            "WeChat says the signature is wrong: key or type differ.",
        ),
        _KEY_AGAIN,
    ),
    "answer": finding(
        FAIL,
        "provider",
        ("微信应答的签名对不上：密钥不一致，或应答被改动。", "WeChat's answer is not signed with our key."),
        _KEY_AGAIN,
    ),
}
ACCOUNT = {
    "unknown": finding(
        FAIL,
        "provider",
        ("微信不认识商户号 {mch_id}。", "WeChat does not know the merchant number {mch_id}."),
        ("核对服务商商户号；更正后重新检查。", "Check the provider's merchant number."),
    ),
    "unlinked": finding(
        FAIL,
        "provider",
        ("AppID {appid} 没有与商户号 {mch_id} 关联。", "Appid {appid} is not linked with {mch_id}."),
        (
            "在服务商平台「产品中心 → AppID 账号管理」关联，并在公众平台确认。",
            "Link it in WeChat's provider console (product centre, appid accounts) and confirm it there.",
        ),
    ),
}
CERT_ACCEPTED = {
    "refused": finding(
        FAIL,
        "provider",
        (
            "微信不接受这张证书（{why}），可能已作废或属于别的商户号。",
            "WeChat refuses this certificate ({why}).",
        ),
        (
            "在微信支付服务商平台确认证书仍有效，或更换后重新填写。",
            "See in WeChat's console whether it was revoked, or renew it.",
        ),
    ),
    "unreachable": finding(
        UNCHECKED,
        "platform",
        ("出示证书的连接没有建立（{why}）。", "The connection that shows the certificate failed ({why})."),
        ("稍后重新检查。", "Check again later."),
    ),
}
