"""The same for what stands in a body or in parameters; `words` holds them all."""

from __future__ import annotations

from wechatpay.inspect.words import Words

_BODY_FIX = (
    "验签和签名都要用原始字节：在框架解析之前取请求体，不要先解析再序列化。",
    "Use the raw bytes: take the body before any framework parses it, and never write it anew.",
)
OF_CONTENT = {
    "body_reserialised": Words(
        "报文主体被重新序列化过（空格或缩进不同）。",
        "The body was written anew: its blanks differ.",
        *_BODY_FIX,
    ),
    "body_sorted": Words(
        "报文主体被重新序列化过，字段顺序变了。",
        "The body was written anew: its fields are in another order.",
        *_BODY_FIX,
    ),
    "body_escaped": Words(
        "报文主体被重新序列化过：中文或斜杠的转义不同（\\u4e2d、\\/）。",
        "The body was written anew: it differs in how characters or slashes are escaped.",
        *_BODY_FIX,
    ),
    "body_line_end": Words(
        "报文主体的换行不同（末尾多一个换行，或 \\r\\n）。",
        "The body differs in its line ends.",
        *_BODY_FIX,
    ),
    "body_trimmed": Words("报文主体首尾的空白不同。", "The body differs in blanks around it.", *_BODY_FIX),
    "body_bom": Words(
        "报文主体以字节顺序标记（BOM）开头。", "The body begins with a byte order mark.", *_BODY_FIX
    ),
    "body_not_utf8": Words(
        "签名时报文主体按 GBK 编码，发送的是 UTF-8。",
        "The body was signed in GBK and sent in UTF-8.",
        "签名和发送都用 UTF-8 的同一份字节。",
        "Sign and send the same bytes of UTF-8.",
    ),
    "body_html": Words(
        "报文主体里的引号等字符被 HTML 转义过。",
        "Characters of the body were escaped as in HTML.",
        *_BODY_FIX,
    ),
    "body_url_encoded": Words(
        "报文主体被 URL 编码或解码过。", "The body was URL-encoded or decoded.", *_BODY_FIX
    ),
    "body_as_text": Words(
        "报文主体被当作文本又序列化了一次（外面多了引号和反斜杠）。",
        "The body was serialised a second time, as a text in quotes.",
        "JSON 只序列化一次；不要把 JSON 文本交给会再次序列化的参数。",
        "Serialise it once; do not hand JSON text to what serialises again.",
    ),
    "body_of_resource": Words(
        "只用了 resource 部分，没有用整个报文主体。",
        "The resource alone was taken instead of the whole body.",
        "验签用整个报文主体；resource 只用来解密。",
        "Verify the whole body; the resource is for decrypting.",
    ),
    "body_missing": Words(
        "签名时报文主体是空的。",
        "The body was empty when it was signed.",
        "POST 请求的最后一行是要发送的报文主体；请求体只能读一次的框架要先缓存。",
        "The last line is the body that is sent; buffer it where it can be read only once.",
    ),
    "body_made_up": Words(
        "没有报文主体，签名时却用了 {}、null 一类的内容。",
        "There is no body, and something like {} or null was signed.",
        "没有请求体时最后一行留空。",
        "Leave the last line empty without one.",
    ),
    "body_not_json": Words(
        "报文主体不是 JSON。",
        "The body is not JSON.",
        "v3 的请求体是 UTF-8 的 JSON；上传文件时签名的是 meta。",
        "By v3 it is JSON in UTF-8; of an upload the meta part is signed.",
    ),
    "four_byte_character": Words(
        "报文主体里有表情等四字节字符。",
        "The body holds a character of four bytes, such as an emoji.",
        "去掉这些字符，微信会拒绝。",
        "Leave it out; WeChat refuses it.",
    ),
    "name_of_v2": Words(
        "{field} 是 API v2 的字段名。",
        "The name {field} belongs to API v2.",
        "v3 的名称不同：sp_mchid、sub_mchid、amount.total、description、payer。",
        "By v3 it is sp_mchid, sub_mchid, amount.total, description, payer.",
    ),
    "mchid_is_sub": Words(
        "{field} 填了特约商户号。",
        "The part {field} is the sub-merchant's number.",
        "Authorization 的 mchid 始终是服务商的商户号，证书和私钥也是服务商的。",
        "It is always the provider's number, with the provider's certificate and key.",
    ),
    "mchid_differs": Words(
        "报文里的 {field} 与 Authorization 的 mchid 不同。",
        "The field {field} differs from the mchid of Authorization.",
        "两处都填服务商的商户号。",
        "Both are the provider's number.",
    ),
    "foreign_account": Words(
        "{field} 不是这个服务商的号码。",
        "The number in {field} is not this provider's.",
        "确认选对了服务商，以及配置里的商户号。",
        "Make sure of the provider, and of the number in the configuration.",
    ),
    "target_missing": Words(
        "没有请求行，无法知道方法和 URL。",
        "There is no request line, so that method and URL are unknown.",
        "第一行写：POST /v3/pay/partner/transactions/jsapi。",
        "Begin with: POST /v3/pay/partner/transactions/jsapi.",
    ),
    "target_with_host": Words(
        "请求行带有域名，已按路径和查询串检查。",
        "The request line has a host; path and query were looked at.",
        "签名时只用路径和查询串。",
        "Sign path and query alone.",
    ),
    "json_number": Words(
        "{field} 是数字，应为文本。",
        "The parameter {field} is a number instead of a text.",
        "支付参数的值都用文本，timeStamp 也是。",
        "Parameters are texts, timeStamp too.",
    ),
    "sign_type_not_rsa": Words(
        "{field} 不是 RSA。",
        "The parameter {field} is not RSA.",
        "v3 下单的支付参数 signType 固定为 RSA。",
        "For an order made by v3 it is always RSA.",
    ),
    "package_prefix_missing": Words(
        "{field} 没有以 prepay_id= 开头。",
        "The parameter {field} does not begin with prepay_id=.",
        "JSAPI 和小程序的 package 是 prepay_id= 加编号。",
        "For JSAPI and mini-programs it is prepay_id= and the number.",
    ),
    "package_prefix_extra": Words(
        "APP 的 {field} 多了 prepay_id=。",
        "The parameter {field} of an app has prepay_id= too many.",
        "APP 只用编号，签名和传参都是。",
        "Apps use the number alone, for both.",
    ),
    "v3_key_old": Words(
        "密文是用已经更换的旧 APIv3 密钥加密的。",
        "It is encrypted with an API v3 key that has been replaced.",
        "更换后旧密钥要继续保留解密，直到 7 天内不再用到。",
        "Keep the old one for decrypting until seven days have passed without it.",
    ),
    "v3_key_is_v2_key": Words(
        "密文要用配置里的 API v2 密钥才能解开：两个密钥填反了。",
        "It opens with what is stored as the API v2 key: the two keys were exchanged.",
        "在密钥页分别核对 API v2 密钥和 APIv3 密钥。",
        "Check both on the key page.",
    ),
    "v3_key_wrong": Words(
        "签名正确，但现有的 APIv3 密钥解不开密文。",
        "The signature is right, and no API v3 key of this provider opens it.",
        "在微信支付服务商平台重新设置 APIv3 密钥，并填入密钥页；密钥是 32 个字符，不做十六进制解码。",
        "Set the API v3 key anew in WeChat's console and here; its 32 characters are used as they are.",
    ),
}
