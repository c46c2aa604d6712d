"""What each mistake of API v3 is called and how it is mended, in both languages; `{field}` as in v2's."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from wechatpay.inspect.v3.content_words import OF_CONTENT
from wechatpay.inspect.words import Words

_OF_HEADERS = {
    "header_missing": Words(
        "缺少请求头 {field}。",
        "The header {field} is missing.",
        "反向代理或网关可能去掉了它：放行所有 Wechatpay- 开头的请求头；没有签名的报文一律拒绝。",
        "A proxy may have dropped it: let every header through that begins with Wechatpay-."
        " Refuse a message without it.",
    ),
    "signature_type": Words(
        "{field} 不是 WECHATPAY2-SHA256-RSA2048。",
        "The header {field} is not WECHATPAY2-SHA256-RSA2048.",
        "只接受这一种签名类型；国密报文属于另一种接入方式。",
        "Take this type alone; messages of another belong to another edition of the API.",
    ),
    "probe": Words(
        "这是微信支付的签名探测：{field} 以 WECHATPAY/SIGNTEST/ 开头，本来就是错的。",
        "This is a probe of WeChat Pay's: {field} begins with WECHATPAY/SIGNTEST/ and is wrong on purpose.",
        "按验签失败应答（4xx），不要特殊处理；真正的通知随后就到。",
        "Refuse it like any bad signature (4xx); the genuine message follows.",
    ),
    "stale_timestamp": Words(
        "{field} 与现在相差 5 分钟以上。",
        "The time {field} is five minutes or more away from now.",
        "如果是刚刚收到或发出的，校准服务器时间（NTP）；如果是以前的报文，可以忽略这一条。",
        "If it was sent or received just now, set the server's clock (NTP); of an older message ignore this.",
    ),
    "timestamp_form": Words(
        "{field} 不是 10 位的秒数。",
        "The time {field} is not a number of seconds with ten digits.",
        "时间戳是从 1970 年起的秒数，写成 10 位数字的文本。",
        "Write the seconds since 1970 as a text of ten digits.",
    ),
    "timestamp_unit": Words(
        "{field} 签名与发送用了不同的时间单位（秒与毫秒）。",
        "The time {field} was signed and sent in different units (seconds and milliseconds).",
        "两处都用以秒为单位的文本，并且只取一次当前时间。",
        "Use seconds as a text in both, and read the clock once.",
    ),
    "headers_exchanged": Words(
        "时间戳和随机串取反了（{field}）。",
        "Timestamp and nonce were exchanged: {field}.",
        "第一行是 Wechatpay-Timestamp，第二行是 Wechatpay-Nonce。",
        "The first line is Wechatpay-Timestamp, the second Wechatpay-Nonce.",
    ),
    "header_quoted": Words(
        "请求头的值带上了引号或括号（{field}）。",
        "A header's value is in quotes or brackets: {field}.",
        "取请求头的第一个值，按原文使用。",
        "Take the first value of the header as it stands.",
    ),
    "header_case": Words(
        "{field} 的大小写被改变了。",
        "The value of {field} was changed in case.",
        "请求头的名称不分大小写，值要按原文使用。",
        "Names of headers have no case; their values do.",
    ),
    "resource_intact": Words(
        "密文可以用 APIv3 密钥解开，说明密文没有被改动。",
        "The cipher text opens with the API v3 key, so that it was not changed.",
        "被改动的是时间戳、随机串、签名，或报文中密文以外的部分：请取原始请求再试。",
        "Timestamp, nonce, signature or another part of the body was: try the original request.",
    ),
}
_OF_SERIAL = {
    "serial_is_ours": Words(
        "{field} 是商户自己的 API 证书，不是微信支付的公钥或平台证书。",
        "The serial number in {field} is that of your own API certificate, not of a key of WeChat Pay's.",
        "用微信支付公钥（PUB_KEY_ID_…）或平台证书验签；商户证书只用来给请求签名。",
        "Verify with WeChat Pay's public key or platform certificate; yours signs requests only.",
    ),
    "serial_spelling": Words(
        "{field} 的写法不对：大小写、前导零或冒号不同。",
        "The serial number in {field} is spelt in another way: case, leading zeros or colons.",
        "证书序列号按微信给出的写法使用：十六进制大写，不带冒号，不去前导零。",
        "Use it as WeChat writes it: upper-case hex without colons, leading zeros kept.",
    ),
    "serial_ended": Words(
        "{field} 指的密钥还没有生效或已经停用。",
        "The key that {field} names does not count yet, or no longer.",
        "到密钥页查看它的有效期；更换期间新旧两个要同时保留。",
        "Look at its period on the key page; keep the old and the new one side by side.",
    ),
    "serial_of_other_key": Words(
        "签名是用另一个微信支付公钥或平台证书做的，与 {field} 不符。",
        "It is signed with another of WeChat's keys than {field} names.",
        "每条报文按它自己的 Wechatpay-Serial 选择公钥，不要写死一个。",
        "Choose the key by each message's own Wechatpay-Serial.",
    ),
    "signed_by_own_key": Words(
        "签名是用商户自己的私钥做的，不是微信支付的签名（{field}）。",
        "It is signed with your own private key and not by WeChat Pay: {field}.",
        "这不是微信支付发出的报文；如果是自测，请用模拟器生成通知。",
        "WeChat Pay did not send it; for trials of your own let the simulator notify you.",
    ),
    "unknown_public_key": Words(
        "没有这个编号的微信支付公钥（{field}）。",
        "No public key of this number is known here: {field}.",
        "在微信支付服务商平台的 API 安全页下载这个编号的公钥，填入密钥页；并确认报文属于本服务商。",
        "Download the key of this number from WeChat's console and add it on the key page; make sure that the"
        " message is this provider's.",
    ),
    "unknown_certificate": Words(
        "没有这个序列号的平台证书（{field}）。",
        "No platform certificate of this serial number is known here: {field}.",
        "平台证书每 12 小时自动下载一次，也可以在密钥页立即下载；并确认报文属于本服务商。",
        "They are fetched every 12 hours and at once on the key page; make sure that the message is this"
        " provider's.",
    ),
    "serial_form": Words(
        "{field} 既不是 PUB_KEY_ID_ 编号，也不是证书序列号。",
        "The value of {field} is neither a PUB_KEY_ID_ nor a certificate's serial number.",
        "按原文取请求头的值，检查日志是否截断。",
        "Take the header as it stands, and see whether the log cut it off.",
    ),
    "serial_no_is_wechats": Words(
        "{field} 填了微信支付的公钥编号或平台证书序列号。",
        "The parameter {field} names a key of WeChat's.",
        "这里填商户自己的 API 证书序列号；微信支付公钥的编号放在请求头 Wechatpay-Serial。",
        "It takes the serial number of your own API certificate; WeChat's goes into Wechatpay-Serial.",
    ),
    "serial_no_unknown": Words(
        "{field} 不是本商户号的 API 证书序列号。",
        "The parameter {field} is no API certificate of this merchant number.",
        "在微信支付服务商平台的 API 安全页查看证书序列号，与所用私钥对应。",
        "See the serial number in WeChat's console, under API security; it belongs to the private key.",
    ),
    "serial_no_of_other_key": Words(
        "{field} 与签名所用的私钥不是一对。",
        "The parameter {field} does not belong to the private key that signed.",
        "更换 API 证书时，序列号和私钥要同时更换。",
        "Change serial number and private key together.",
    ),
    "serial_no_old": Words(
        "{field} 是已经更换的旧 API 证书。",
        "The parameter {field} is an API certificate that has been replaced.",
        "换成当前的证书和私钥；旧证书作废后微信会拒绝它。",
        "Use the present certificate and key; WeChat refuses the old one once it is revoked.",
    ),
    "signed_by_old_key": Words(
        "用的是已经更换的旧私钥。",
        "It is signed with a private key that has been replaced.",
        "换成当前 API 证书的私钥。",
        "Use the key of the present API certificate.",
    ),
}
_OF_SIGNATURE = {
    "signature_not_base64": Words(
        "{field} 不是 Base64 文本。",
        "The value of {field} is not base64.",
        "签名按标准 Base64 编码，写成一行。",
        "Write the signature in standard base64, in one line.",
    ),
    "signature_length": Words(
        "{field} 的长度不对，可能被截断。",
        "The value of {field} has the wrong length and may be cut off.",
        "2048 位 RSA 的签名是 344 个 Base64 字符；检查日志和字段长度限制。",
        "An RSA signature of 2048 bits has 344 characters; look at length limits of logs and columns.",
    ),
    "signature_line_ends": Words(
        "{field} 里有换行或空格。",
        "The value of {field} holds line ends or blanks.",
        "Base64 不要换行（例如 PHP 的 chunk_split、Java 的 MIME 编码）。",
        "Do not wrap the base64 (as MIME encoders do).",
    ),
    "signature_plus": Words(
        "{field} 里的加号变成了空格。",
        "The plus signs of {field} have become blanks.",
        "值被当作表单解码了一次：从请求头原样取值。",
        "It was decoded like a form: take the header as it stands.",
    ),
    "signature_url_encoded": Words(
        "{field} 被 URL 编码了。",
        "The value of {field} is URL-encoded.",
        "签名原样放入，不做 URL 编码。",
        "Put it in as it is.",
    ),
    "signature_url_safe": Words(
        "{field} 用了 URL 安全的 Base64。",
        "The value of {field} is in the URL-safe base64.",
        "用标准 Base64（含 + 和 /）。",
        "Use standard base64, with + and /.",
    ),
    "signature_hex": Words(
        "{field} 是十六进制，不是 Base64。",
        "The value of {field} is in hex instead of base64.",
        "把签名的字节直接做 Base64 编码。",
        "Encode the bytes of the signature in base64.",
    ),
    "signature_twice": Words(
        "{field} 做了两次 Base64 编码。",
        "The value of {field} was encoded in base64 twice.",
        "签名函数的结果可能已经是 Base64，不要再编码。",
        "What signs may return base64 already.",
    ),
    "algorithm": Words(
        "签名算法不对（不是 SHA-256 加 PKCS#1 v1.5）。",
        "It is signed with another algorithm than SHA-256 with PKCS#1 v1.5.",
        "使用 SHA256withRSA，不要用 SHA1withRSA 或 PSS。",
        "Use SHA256withRSA, neither SHA1withRSA nor PSS.",
    ),
}
_OF_STRING = {
    "scheme": Words(
        "{field} 不以 WECHATPAY2-SHA256-RSA2048 加一个空格开头。",
        "The header {field} does not begin with WECHATPAY2-SHA256-RSA2048 and a blank.",
        '写成：WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…"，五项以逗号分隔。',
        "Write the scheme, one blank, and five parts with commas between them.",
    ),
    "auth_missing": Words(
        "Authorization 缺少 {field}。",
        "The part {field} of Authorization is missing.",
        "五项都要有：mchid、nonce_str、timestamp、serial_no、signature。",
        "It needs mchid, nonce_str, timestamp, serial_no and signature.",
    ),
    "auth_quotes": Words(
        "Authorization 里 {field} 的值没有用双引号。",
        "The value of {field} in Authorization is not in double quotes.",
        "每个值都用英文双引号括起来。",
        "Put every value into double quotes.",
    ),
    "line_order": Words(
        "签名串各行的顺序不对。",
        "The lines of the string to sign are in the wrong order.",
        "请求依次为方法、URL、时间戳、随机串、报文主体；支付参数依次为 appId、timeStamp、nonceStr、package。",
        "Requests: method, URL, timestamp, nonce, body. Cashiers: appId, timeStamp, nonceStr, package.",
    ),
    "line_ends": Words(
        "签名串的换行不对。",
        "The line ends of the string to sign are wrong.",
        "每行以一个换行符（\\n，0x0A）结束，不是 \\r\\n，也不是反斜杠加 n 两个字符。",
        "End each line with one 0x0A: not CRLF, and not a backslash and an n.",
    ),
    "last_line_end": Words(
        "签名串最后一行的换行符不对（少了或多了一个）。",
        "The last line of the string to sign lacks its line end, or has two.",
        "最后一行也要以一个 \\n 结束；GET 请求的报文主体是空行。",
        "End the last line too; the body of a GET is an empty line.",
    ),
    "line_missing": Words(
        "签名串少了 {field} 这一行。",
        "The string to sign lacks the line of {field}.",
        "没有报文主体时也要保留空行。",
        "Keep the line even when it is empty.",
    ),
    "line_added": Words(
        "签名串多了 {field} 这一行。",
        "The string to sign has a line of {field} too many.",
        "signType 不参加签名。",
        "It is not signed.",
    ),
    "method": Words(
        "签名时用的请求方法不同（{field}）。",
        "Another method was signed than sent: {field}.",
        "方法用大写，与实际发送的一致。",
        "Use the method that is sent, in upper case.",
    ),
    "query_missing": Words(
        "签名时 {field} 没有带上查询参数。",
        "The line of {field} was signed without the query.",
        "URL 一行是路径加 ? 和查询串，与实际发送的完全一致。",
        "The line holds path, ? and query exactly as they are sent.",
    ),
    "query_order": Words(
        "签名时 {field} 的查询参数顺序不同。",
        "The query of {field} was signed in another order than it was sent.",
        "按实际发送的顺序签名，不要排序。",
        "Sign the query as it is sent; do not sort it.",
    ),
    "target_host": Words(
        "签名时 {field} 带上了域名。",
        "The line of {field} was signed with the host.",
        "只用路径和查询串，从 /v3/ 开始。",
        "Use path and query alone, beginning with /v3/.",
    ),
    "target_slash": Words(
        "签名时 {field} 的斜杠不同。",
        "The line of {field} differs in a slash.",
        "开头的斜杠必须有；结尾的斜杠与实际发送的一致。",
        "It begins with a slash; one at its end is signed when it is sent.",
    ),
    "target_version": Words(
        "签名时 {field} 少了 /v3。",
        "The line of {field} lacks /v3.",
        "路径从 /v3/ 开始。",
        "The path begins with /v3/.",
    ),
    "target_encoding": Words(
        "签名时 {field} 的百分号编码与发送的不同。",
        "The line of {field} was percent-encoded in another way than it was sent.",
        "先准备好要发送的 URL，再用它签名；注意 | 和 *。",
        "Prepare the URL that is sent, then sign it; look at | and *.",
    ),
    "nonce_case": Words(
        "{field} 签名与发送的大小写不同。",
        "The nonce {field} was signed in another case than it was sent.",
        "随机串只生成一次，两处用同一个值。",
        "Make it once and use it twice.",
    ),
    "string_of_v2": Words(
        "按 API v2 的规则拼接了签名串。",
        "The string was put together by the rules of API v2.",
        "v3 的支付参数是四行文本，每行以换行结束。",
        "By v3 it is four lines, each ended.",
    ),
    "package_prefix": Words(
        "{field} 签名时与报文中不同：一处少了 prepay_id=。",
        "The parameter {field} lacks prepay_id= in one place.",
        "JSAPI 和小程序签 prepay_id= 加编号；APP 只签编号。",
        "JSAPI and mini-programs sign prepay_id= and the number, apps the number alone.",
    ),
    "app_of_other": Words(
        "签名用的是另一个应用的 {field}。",
        "It is signed with the {field} of another app.",
        "用打开收银台的那个应用：特约商户自己的小程序用 sub_appid，服务商的用 sp_appid。",
        "Use the app that opens the cashier: sub_appid for the sub-merchant's, sp_appid for the provider's.",
    ),
    "parameter_missing": Words(
        "缺少参数 {field}。",
        "The parameter {field} is missing.",
        "把服务端返回的支付参数原样交给收银台。",
        "Hand the parameters of the server to the cashier as they are.",
    ),
}
WORDS: Mapping[str, Words] = MappingProxyType(
    _OF_HEADERS | _OF_SERIAL | _OF_SIGNATURE | _OF_STRING | OF_CONTENT
)
"""Every code of a `Step` or a `Remark` about a text of API v3."""
