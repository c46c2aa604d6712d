"""What each mistake is called and how it is mended, in both languages; `{field}` is the field concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Words:
    """One mistake: its name, and what to do. Full sentences; `{field}` may stand in any of them."""

    zh: str
    en: str
    fix_zh: str
    fix_en: str


_OF_TEXT = {
    "bom": Words(
        "报文以字节顺序标记（BOM）开头。",
        "The text begins with a byte order mark.",
        "输出报文时使用不带 BOM 的 UTF-8。",
        "Write the message as UTF-8 without a byte order mark.",
    ),
    "body_not_utf8": Words(
        "报文不是 UTF-8 编码（按 GBK 读出）。",
        "The text is not UTF-8; it was read as GBK.",
        "请求体和签名串都用 UTF-8。",
        "Use UTF-8 for the body and for the string to sign.",
    ),
    "cut_off": Words(
        "报文不完整，末尾被截断。",
        "The text is cut off at its end.",
        "检查日志长度限制和 Content-Length，用完整的报文再试。",
        "Look at length limits of the log and at Content-Length, then try the whole message.",
    ),
    "doctype": Words(
        "报文带有 DOCTYPE 或 ENTITY 声明。",
        "The text declares a DOCTYPE or an ENTITY.",
        "微信支付的报文从不带声明，请去掉并查明来源。",
        "WeChat never sends one; remove it and find out where it came from.",
    ),
    "duplicate_field": Words(
        "字段 {field} 出现了不止一次。",
        "The field {field} occurs more than once.",
        "每个字段只能出现一次，两侧会各取不同的值。",
        "Send each field once: the two sides may take different values.",
    ),
    "field_name": Words(
        "字段名 {field} 不合规则：只能用小写字母、数字和下划线。",
        "The name {field} is not allowed: only lower-case letters, digits and underscores are.",
        "按接口文档改正字段名，大小写也要一致。",
        "Spell the name as the interface documents it, in the same case.",
    ),
    "foreign_account": Words(
        "{field} 不是本服务商的，报文可能属于另一个商户。",
        "The value of {field} is not this service provider's; the message may be somebody else's.",
        "用该商户号所属服务商的密钥检查，或改用正确的商户号。",
        "Check it with the keys of the account it names, or correct the number.",
    ),
    "json_number": Words(
        "{field} 是数字，不是字符串。",
        "The value of {field} is a number, not a text.",
        "wx.requestPayment 的每个参数都必须是字符串，给它加上引号。",
        "Every parameter of wx.requestPayment is a text: put it into quotes.",
    ),
    "key_in_text": Words(
        "文本里带有 API 密钥，检查时没有使用。",
        "The text holds an API key. It was not used.",
        "不要把密钥贴到任何地方；如果别人也能看到这段文字，请更换密钥。",
        "Never paste the key anywhere; change it if others can see this text.",
    ),
    "sign_blank": Words(
        "签名前后有空格或换行。",
        "There are blanks around the signature.",
        "填入前去掉首尾空白。",
        "Remove them before sending.",
    ),
    "sign_cut": Words(
        "签名被截短了。",
        "The signature is cut short.",
        "MD5 是 32 位、HMAC-SHA256 是 64 位，检查保存签名的字段长度。",
        "MD5 has 32 digits, HMAC-SHA256 has 64; look at the length of the column that holds it.",
    ),
    "sign_lower_case": Words(
        "签名是小写十六进制。",
        "The signature is in lower-case hex.",
        "把签名转成大写后再发送。",
        "Turn it into upper case before sending.",
    ),
    "sign_name": Words(
        "签名字段写成了 {field}。",
        "The signature stands under the name {field}.",
        "请求和通知用 sign，小程序支付参数用 paySign，大小写一致。",
        "Requests and notifications call it sign, payment parameters paySign, in this case.",
    ),
}
_OF_STRING = {
    "amount_unit": Words(
        "{field} 签名时与报文中的单位或写法不同（元与分）。",
        "The amount {field} was signed in another unit or form than it was sent (yuan and fen).",
        "签名和报文都用以分为单位的整数。",
        "Use whole fen in both.",
    ),
    "appid_of_another": Words(
        "支付参数用了另一个 AppID 签名。",
        "The payment parameters were signed for another AppID.",
        "用打开收银台的小程序自己的 AppID（下单时的 sub_appid）签名，不要用服务商的。",
        "Sign with the AppID of the app that opens the cashier (the order's sub_appid), not the provider's.",
    ),
    "blank_in_value": Words(
        "{field} 的值带有空格或换行，签名时却去掉了。",
        "A value has blanks that were removed before signing: {field}.",
        "签名用的值必须与发送的值逐字节相同，先整理好再签名。",
        "Sign exactly what is sent: tidy the value first, then sign.",
    ),
    "blank_signed": Words(
        "{field} 签名时多了空格或换行，报文里没有。",
        "The field {field} was signed with a blank or line end that was not sent.",
        "去掉首尾空白后再拼接签名串。",
        "Trim the value before it goes into the string.",
    ),
    "bom_signed": Words(
        "签名串以字节顺序标记（BOM）开头。",
        "The string that was signed begins with a byte order mark.",
        "检查源文件或配置文件的编码，去掉 BOM。",
        "Look at the encoding of source and configuration files and remove it.",
    ),
    "cdata_signed": Words(
        "签名时把 CDATA 标记也算进了值（{field}）。",
        "The CDATA marks were signed as a part of the value: {field}.",
        "先按原值签名，再生成 XML。",
        "Sign the plain values first, then write the XML.",
    ),
    "empty_signed": Words(
        "空值字段也参加了签名。",
        "Empty values were signed.",
        "值为空的字段不参加签名。",
        "Leave empty values out of the string.",
    ),
    "encoding_gbk": Words(
        "签名时用了 GBK 编码。",
        "The string was signed in GBK.",
        "签名串一律用 UTF-8 编码。",
        "Encode the string as UTF-8.",
    ),
    "encoding_latin": Words(
        "中文在签名和发送时按不同编码读取（UTF-8 与 ISO-8859-1）。",
        "Text was read in two encodings when signing and sending (UTF-8 and ISO-8859-1).",
        "读取请求和拼接签名串时都明确指定 UTF-8。",
        "Name UTF-8 explicitly wherever text becomes bytes or the reverse.",
    ),
    "encoding_lost": Words(
        "签名时中文变成了问号。",
        "Chinese characters were signed as question marks.",
        "签名前取字节时指定 UTF-8，不要用系统默认编码。",
        "Name UTF-8 when taking bytes, instead of the system's default.",
    ),
    "entities_resolved": Words(
        "报文里的 XML 实体（如 &amp;）在签名时已还原。",
        "XML entities in the text, such as &amp;, were signed resolved.",
        "不要转义两次：按原值签名，生成 XML 时转义一次或用 CDATA。",
        "Do not escape twice: sign the plain value and escape once in the XML, or use CDATA.",
    ),
    "entities_signed": Words(
        "签名用的是 XML 转义后的值。",
        "The values were signed with their XML escapes.",
        "先按原值签名，再转义。",
        "Sign the plain values, then escape.",
    ),
    "field_not_sent": Words(
        "{field} 参加了签名，却没有发送。",
        "The field {field} was signed and not sent.",
        "报文与签名串必须由同一组字段生成。",
        "Make message and string out of the same fields.",
    ),
    "field_not_signed": Words(
        "{field} 没有参加签名。",
        "The field {field} was not signed.",
        "除 sign 外所有非空字段都要签名；如果它是签名之后加上的，移到签名之前。",
        "Every field with a value is signed but sign; add it before signing.",
    ),
    "full_width": Words(
        "签名后把 & 或 = 换成了全角字符，或反过来（{field}）。",
        "The characters & or = were exchanged for wide ones after signing, or the reverse: {field}.",
        "先替换，再签名。",
        "Exchange them first, then sign.",
    ),
    "identity_changed": Words(
        "{field} 在签名后换成了另一个商户或应用的。",
        "The field {field} was exchanged for another account's after signing.",
        "检查多商户配置：签名与发送要用同一套商户参数。",
        "Look at the configuration of several accounts: sign and send with the same one.",
    ),
    "joined_with_more": Words(
        "签名串的开头或结尾多了 & 或 ?。",
        "The string begins or ends with an extra & or ?.",
        "字段之间才用 & 连接，首尾不加。",
        "Put & between fields only.",
    ),
    "json_escaped": Words(
        "签名用的是 JSON 转义后的值（如 \\/ 或 \\u4e2d）。",
        "The value was signed with JSON escapes such as \\/ or \\u4e2d: {field}.",
        "按原文签名；PHP 用 JSON_UNESCAPED_SLASHES 和 JSON_UNESCAPED_UNICODE。",
        "Sign the plain text; in PHP use JSON_UNESCAPED_SLASHES and JSON_UNESCAPED_UNICODE.",
    ),
    "name_case": Words(
        "字段名 {field} 在签名与报文中大小写不同。",
        "The name {field} was signed in another case than it was sent.",
        "字段名区分大小写，两处写成一样。",
        "Names are case-sensitive: spell both the same.",
    ),
    "name_spelling": Words(
        "字段名 {field} 在签名与报文中拼写不同。",
        "The name {field} was signed under another spelling.",
        "小程序用 timeStamp、nonceStr、signType，App 用 timestamp、noncestr；按各自文档拼写。",
        "Mini-programs say timeStamp, nonceStr and signType, apps timestamp and noncestr: keep them apart.",
    ),
    "null_signed": Words(
        "空值以 null 之类的文字参加了签名。",
        "Empty values were signed as a word such as null.",
        "值为空的字段不参加签名。",
        "Leave empty values out of the string.",
    ),
    "order_as_sent": Words(
        "字段没有排序，按发送的顺序签名了。",
        "The fields were signed in the order in which they were sent.",
        "按字段名 ASCII 码从小到大排序。",
        "Sort them by name in ASCII order.",
    ),
    "order_ignoring_case": Words(
        "排序时忽略了大小写。",
        "The fields were sorted without regard to case.",
        "按 ASCII 码排序：大写字母在小写之前。",
        "Sort in ASCII order, capitals before small letters.",
    ),
    "package_prefix": Words(
        "{field} 签名时与报文中不同：一处少了 prepay_id=。",
        "The field {field} lacks prepay_id= in one place.",
        "package 的值是 prepay_id= 加预支付编号，签名和传参都用完整的值。",
        "The value of package is prepay_id= and the number; use it whole for both.",
    ),
    "quoted": Words(
        "签名时值带上了引号（{field}）。",
        "The value was signed in quotes: {field}.",
        "不要用 JSON 序列化单个值，按原文拼接。",
        "Join the plain text; do not serialise single values as JSON.",
    ),
    "sign_signed": Words(
        "{field} 字段自己也参加了签名。",
        "The field {field} took part in its own signature.",
        "拼接签名串之前去掉 {field}，也不要留空的 {field}。",
        "Take {field} out before joining the string, an empty one too.",
    ),
    "sign_type_not_sent": Words(
        "{field} 参加了签名，却没有发送。",
        "The field {field} was signed and not sent.",
        "用 HMAC-SHA256 时报文必须带上 sign_type，微信否则按 MD5 验签。",
        "Send sign_type with HMAC-SHA256: without it WeChat verifies with MD5.",
    ),
    "sign_type_not_signed": Words(
        "{field} 发送了，却没有参加签名。",
        "The field {field} was sent and not signed.",
        "sign_type 也是普通字段，必须参加签名。",
        "It is a field like any other and has to be signed.",
    ),
    "time_unit": Words(
        "{field} 签名与发送用了不同的时间单位（秒与毫秒）。",
        "The time {field} was signed and sent in different units (seconds and milliseconds).",
        "两处都用以秒为单位的字符串，并且只取一次当前时间。",
        "Use seconds as a text in both, and read the clock once.",
    ),
    "url_decoded": Words(
        "报文里的值经过 URL 编码，签名用的是解码后的值（{field}）。",
        "A value is URL-encoded in the text and was signed decoded: {field}.",
        "XML 报文不做 URL 编码，签名和发送都用原值。",
        "Messages are not URL-encoded: use the plain value for both.",
    ),
    "url_encoded": Words(
        "值在签名前做了 URL 编码（{field}）。",
        "A value was URL-encoded before signing: {field}.",
        "签名用原值，不做 URL 编码。",
        "Sign the plain value.",
    ),
    "value_case": Words(
        "{field} 的值在签名与报文中大小写不同。",
        "The value of {field} was signed in another case than it was sent.",
        "只把最后的签名转成大写，不要转换整个签名串。",
        "Turn the finished signature into upper case, never the string.",
    ),
}
_OF_KEY = {
    "algorithm": Words(
        "签名算法与 sign_type 不符（MD5 与 HMAC-SHA256）。",
        "The signature was made with another algorithm than sign_type says (MD5 and HMAC-SHA256).",
        "让 sign_type 与实际算法一致；没有 sign_type 时微信按 MD5 验签。",
        "Make sign_type and algorithm agree; without sign_type WeChat takes MD5.",
    ),
    "hmac_without_key_field": Words(
        "HMAC-SHA256 的签名串末尾没有 &key=。",
        "The string for HMAC-SHA256 lacks &key= at its end.",
        "HMAC-SHA256 也要在末尾拼接 &key=密钥，再以密钥为 HMAC 的键。",
        "Append &key= and the key for HMAC-SHA256 too, and use the key for the HMAC as well.",
    ),
    "key_joined": Words(
        "密钥拼接的写法不对。",
        "The key is joined in the wrong way.",
        "在签名串末尾写 &key=密钥，全部小写，后面不再加字符。",
        "End the string with &key= and the key: lower case, and nothing behind it.",
    ),
    "key_lower_case": Words(
        "密钥被转成了小写。",
        "The key was turned into lower case.",
        "密钥区分大小写，按商户平台设置的原样使用。",
        "Keys are case-sensitive; use it as it was set.",
    ),
    "key_missing": Words(
        "签名时没有拼接密钥。",
        "The string was signed without the key.",
        "在签名串末尾拼接 &key=密钥；检查密钥配置是否为空。",
        "End the string with &key= and the key; look whether the setting is empty.",
    ),
    "key_old": Words(
        "用的是已更换的旧密钥。",
        "It was signed with a key that has been replaced.",
        "换成当前的 API 密钥；更换后 48 小时内微信的通知仍可能用旧密钥签名，那是正常的。",
        "Use the present API key; for 48 hours notifications may still bear the old one.",
    ),
    "key_upper_case": Words(
        "密钥被转成了大写。",
        "The key was turned into upper case.",
        "只把最后的签名转成大写，密钥保持原样。",
        "Turn the finished signature into upper case, not the key.",
    ),
    "key_v3": Words(
        "用的是 APIv3 密钥。",
        "It was signed with the API v3 key.",
        "API v2 接口用 APIv2 密钥签名，两个密钥在商户平台分别设置。",
        "API v2 is signed with the API v2 key; the two are set apart from each other.",
    ),
    "key_with_blank": Words(
        "密钥前后多了空格或换行。",
        "The key has a blank or line end beside it.",
        "去掉配置里密钥首尾的空白；从文件读取时尤其要注意末尾换行。",
        "Trim the key in the configuration; files often end with a line end.",
    ),
    "key_without_name": Words(
        "密钥直接接在签名串后面，缺少 &key=。",
        "The key follows the string without &key=.",
        "在签名串末尾写 &key=密钥。",
        "End the string with &key= and the key.",
    ),
    "plain_hash": Words(
        "用的是普通 SHA 摘要，不是 HMAC-SHA256。",
        "A plain SHA digest was used instead of HMAC-SHA256.",
        "用密钥做 HMAC-SHA256，或改用 MD5。",
        "Use HMAC-SHA256 with the key, or MD5.",
    ),
}

WORDS: Mapping[str, Words] = MappingProxyType(_OF_TEXT | _OF_STRING | _OF_KEY)
"""Every code of a `Step` or a `Remark`."""
