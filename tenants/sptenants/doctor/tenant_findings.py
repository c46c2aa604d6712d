"""What may be found about a sub-merchant and its bound apps."""

from __future__ import annotations

from sptenants.doctor.findings import FAIL, UNCHECKED, WARN, finding

RELATION = {
    "missing_number": finding(
        FAIL,
        "provider",
        ("还没有填写特约商户号。", "The sub-merchant's number is missing."),
        ("在接入第 2 步填写特约商户号。", "Enter it in step 2 of onboarding."),
    ),
    "none": finding(
        FAIL,
        "provider",
        ("微信侧没有与 {sub_mch_id} 的受理关系。", "WeChat has no relation with {sub_mch_id}."),
        (
            "在服务商平台「特约商户管理」确认该商户在列表中；已解除的需重新邀请签约。",
            "See that WeChat's console lists it among the sub-merchants; if it left, have it sign again.",
        ),
    ),
    "refused": finding(
        FAIL,
        "provider",
        ("微信拒绝了查询：{code} {message}", "WeChat refused the question: {code} {message}"),
        ("按微信的答复处理后重新检查。", "Settle what WeChat names, then check again."),
    ),
}
STATUS = {
    "restricted": finding(
        FAIL,
        "merchant",
        ("微信限制了该商户的收款。", "WeChat has restricted this merchant from collecting."),
        (
            "请商户登录商户平台查看处理通知并申诉；在此之前不能收款。",
            "The merchant has to read the notice in WeChat's merchant console and appeal.",
        ),
    ),
}
PRODUCT = {
    "unauthorized": finding(
        FAIL,
        "merchant",
        (
            "商户没有把支付产品权限授权给服务商。",
            "The merchant has not authorised the product to the provider.",
        ),
        (
            "请商户在商户平台「产品中心 → 我授权的产品」同意授权。",
            "The merchant agrees in the merchant console (product centre, products authorised by me).",
        ),
    ),
    "not_opened": finding(
        FAIL,
        "merchant",
        (
            "没有开通 Native 支付或权限不足（{code}）。",
            "Native payments are not opened or not allowed ({code}).",
        ),
        (
            "在「产品中心」为商户开通 Native 支付，再重新检查。",
            "Open Native payments for the merchant in the product centre, then check again.",
        ),
    ),
}
SELF_TEST = {
    "unreachable": finding(
        FAIL,
        "platform",
        ("从本机访问通知地址失败（{why}）。", "The notify address cannot be reached from here ({why})."),
        (
            "检查 WXSP_PUBLIC_URL、反向代理和防火墙。",
            "Check WXSP_PUBLIC_URL, the reverse proxy and the firewall.",
        ),
    ),
    "untrusted": finding(
        FAIL,
        "platform",
        (
            "通知地址的 https 证书不可信，微信不会回调。",
            "The https certificate of the notify address is not trusted.",
        ),
        ("为域名安装受信任、链完整的证书。", "Install a trusted certificate with its whole chain."),
    ),
    "slow": finding(
        FAIL,
        "platform",
        ("通知地址 5 秒内没有应答，微信会判为失败。", "The notify address did not answer within 5 s."),
        ("检查代理与服务器负载。", "Check the proxy and the server's load."),
    ),
    "redirected": finding(
        FAIL,
        "platform",
        (
            "通知地址返回了跳转（HTTP {status}），微信不跟随跳转。",
            "The notify address redirects (HTTP {status}).",
        ),
        ("去掉对 /notify/ 路径的跳转和登录。", "Take redirects and sign-in off the path /notify/."),
    ),
    "page": finding(
        FAIL,
        "platform",
        (
            "通知地址返回了网页（HTTP {status}），可能是人机验证、防护墙或占位页。",
            "The notify address answers a web page (HTTP {status}): a human check or a firewall.",
        ),
        ("在防护墙中放行 /notify/ 路径。", "Let the path /notify/ through the firewall."),
    ),
    "other": finding(
        FAIL,
        "platform",
        (
            "通知地址后面不是本平台（HTTP {status}）。",
            "Behind the notify address is not this platform (HTTP {status}).",
        ),
        (
            "检查反向代理转发到的服务，并确认各进程使用同一主密钥。",
            "Check where the proxy leads, and that all processes share the master key.",
        ),
    ),
}
COUNT = {
    "none": finding(
        WARN,
        "provider",
        ("还没有绑定 AppID，只能扫码支付。", "No app is bound: only codes to scan can be paid."),
        ("在接入第 3 步添加小程序、公众号或 App。", "Add the merchant's apps in step 3 of onboarding."),
    ),
}
FORMAT = {
    "format": finding(
        FAIL,
        "provider",
        ("AppID 格式不对。", "The appid is malformed."),
        ("核对后重新绑定：wx 加 16 位字母或数字。", "Bind it again: wx and 16 letters or digits."),
    ),
    "owner": finding(
        FAIL,
        "provider",
        ("微信不允许这种类型与主体的组合。", "WeChat does not allow this kind with this owner."),
        ("服务商主体只允许小程序，请更正主体。", "Only mini-programs may be the provider's own."),
    ),
}
SECRET = {
    "missing": finding(
        WARN,
        "provider",
        (
            "没有 AppSecret，小程序不能经本平台登录。",
            "Without an AppSecret the mini-program cannot log in here.",
        ),
        (
            "在小程序后台「开发管理」生成后填写；自行登录的可忽略。",
            "Enter it, unless the merchant logs users in itself.",
        ),
    ),
    "unreadable": finding(
        FAIL,
        "platform",
        ("AppSecret 无法解密。", "The AppSecret cannot be decrypted."),
        ("核对主密钥 WXSP_MASTER_KEY，或重新填写。", "Check WXSP_MASTER_KEY, or enter it again."),
    ),
    "wrong": finding(
        FAIL,
        "provider",
        (
            "微信答复 40125：AppSecret 不对，可能已被重置。",
            "WeChat says 40125: the AppSecret is wrong, perhaps reset.",
        ),
        (
            "在小程序后台重置 AppSecret 并重新填写。",
            "Reset it in the mini-program's console and enter it again.",
        ),
    ),
    "unknown_appid": finding(
        FAIL,
        "provider",
        ("微信答复 40013：没有这个 AppID。", "WeChat says 40013: there is no such appid."),
        ("核对小程序的 AppID。", "Check the mini-program's appid."),
    ),
    "refused": finding(
        FAIL,
        "provider",
        ("微信拒绝了登录检查：{code}。", "WeChat refused the login check: {code}."),
        ("按微信的答复处理后重新检查。", "Settle what WeChat names, then check again."),
    ),
    "unreachable": finding(
        UNCHECKED,
        "wechat",
        ("登录接口没有应答（{why}），未能检查。", "The login host did not answer ({why})."),
        ("稍后重新检查。", "Check again later."),
    ),
}
WECHAT_SIDE = {
    "mismatch": finding(
        FAIL,
        "provider",
        (
            "微信侧没有把该 AppID 绑定到这个特约商户（{code}）。",
            "WeChat does not have this appid bound ({code}).",
        ),
        (
            "服务商平台「子商户管理 → 开发配置 → 特约商户 APPID 配置」中添加，几分钟后重新检查。",
            "Add it in WeChat's provider console (sub-merchants, development configuration), then check"
            " again after some minutes.",
        ),
    ),
    "refused": finding(
        FAIL,
        "provider",
        ("用该 AppID 下单被拒绝：{code} {message}", "An order with this appid was refused: {code} {message}"),
        ("按微信的答复处理后重新检查。", "Settle what WeChat names, then check again."),
    ),
    "disabled": finding(
        UNCHECKED,
        "provider",
        ("该绑定已停用。", "This binding is disabled."),
        ("需要使用时先启用。", "Enable it before it is used."),
    ),
    "unclear": finding(
        UNCHECKED,
        "wechat",
        ("微信没有给出明确答复（{why}）。", "WeChat gave no clear answer ({why})."),
        ("稍后重新检查。", "Check again later."),
    ),
}
DIRECTORY = {
    "missing": finding(
        WARN,
        "provider",
        ("绑定了公众号，但没有登记支付目录。", "An official account is bound, but no payment directory."),
        (
            "在接入第 4 步登记支付目录，并在微信侧添加。",
            "Enter it in step 4 of onboarding and add it at WeChat.",
        ),
    ),
    "unconfirmed": finding(
        WARN,
        "provider",
        ("支付目录还没有确认已在微信侧添加。", "Nobody confirmed yet that WeChat has the directories."),
        (
            "在微信侧添加后，在接入第 4 步勾选「已在微信侧添加」。",
            "Add them at WeChat, then tick that in step 4.",
        ),
    ),
}
REQUEST_DOMAIN = {
    "unticked": finding(
        UNCHECKED,
        "merchant",
        (
            "微信不提供查询；还没有人确认已添加 request 合法域名。",
            "Nobody confirmed that the request domain was added.",
        ),
        (
            "小程序后台「开发管理 → 服务器域名」添加本平台域名，再在接入第 5 步勾选。",
            "Add this platform's host in the mini-program's console, then tick it in step 5 of onboarding.",
        ),
    ),
}
WEBHOOK = {
    "none": finding(
        UNCHECKED,
        "merchant",
        ("没有 Webhook 端点，商户需要自己查单。", "There is no webhook endpoint; the merchant has to ask."),
        ("需要推送时添加端点。", "Add an endpoint where events shall be told."),
    ),
    "disabled": finding(
        FAIL,
        "merchant",
        ("端点 {host} 已停用（{why}）。", "The endpoint {host} is disabled ({why})."),
        (
            "修复接收端后重新启用，并重发遗漏的事件。",
            "Mend the receiver, enable it again and resend what was missed.",
        ),
    ),
    "failing": finding(
        WARN,
        "merchant",
        ("端点 {host} 自 {since} 起投递失败。", "Deliveries to {host} have failed since {since}."),
        ("检查接收端的应答；持续失败会自动停用。", "Check the receiver; failing on, it is disabled."),
    ),
}
TRIAL_PAY = {
    "open": finding(
        UNCHECKED,
        "provider",
        ("还没有完成 ¥0.01 试付。", "No trial payment has been completed."),
        ("在接入第 7 步扫码试付。", "Pay the trial in step 7 of onboarding."),
    ),
}
TRIAL_REFUND = {
    "open": finding(
        UNCHECKED,
        "provider",
        ("试付还没有退款成功。", "No trial has been given back yet."),
        ("试付成功后点「退回试付」。", "After a trial payment, give it back."),
    ),
}
