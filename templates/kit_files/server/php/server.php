<?php
/*
 * A merchant's server: makes orders and hears of payments. PHP 8.0 or newer with the curl extension.
 *
 *   PAY_API_BASE=https://…  PAY_API_KEY=…  PAY_WEBHOOK_SECRET=…  PAY_SUB_APPID=wx…  php -S 127.0.0.1:8080 server.php
 *
 *   POST /buy       {"order_no": "C1001", "item": "latte"}  ->  {"order_id": "ord_…"} for pay.js
 *   POST /webhook   events of the payment platform
 */
declare(strict_types=1);

http_response_code(500); // until something answers: PHP would say 200 after a fatal error

// In your shop these come from your own database. Never take an amount from the client.
const CATALOGUE = ['latte' => ['description' => '拿铁', 'amount' => 1280]];

const TOLERANCE_S = 300;

function setting(string $name): string
{
    $value = getenv($name);
    if ($value === false || $value === '') {
        throw new RuntimeException("$name is not set");
    }
    return $value;
}

/**
 * Make the order, or get the same one again: the order number decides. Amounts are whole fen.
 *
 * @return array{0: int, 1: array} HTTP status (0 without a connection) and the answer's JSON
 */
function createOrder(string $orderNo, array $item): array
{
    $body = [
        'merchant_order_no' => $orderNo,
        'amount' => $item['amount'],
        'description' => $item['description'],
        'trade_type' => 'JSAPI',
        'sub_appid' => setting('PAY_SUB_APPID'),
    ];
    $call = curl_init(rtrim(setting('PAY_API_BASE'), '/') . '/v1/orders');
    curl_setopt_array($call, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => ['Authorization: Bearer ' . setting('PAY_API_KEY'), 'Content-Type: application/json'],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 20,
    ]);
    $text = curl_exec($call);
    if ($text === false) {
        return [0, []];
    }
    return [(int) curl_getinfo($call, CURLINFO_RESPONSE_CODE), json_decode($text, true, 64, JSON_THROW_ON_ERROR)];
}

/** Check signature and time (Standard Webhooks) and return the event. Throws RuntimeException. */
function verify(string $body, string $id, string $sentAt, string $signatures): array
{
    if (preg_match('/^[0-9]{1,12}$/', $sentAt) !== 1 || abs(time() - (int) $sentAt) > TOLERANCE_S) {
        throw new RuntimeException('the timestamp is missing, or too far from now');
    }
    $secret = base64_decode((string) preg_replace('/^whsec_/', '', setting('PAY_WEBHOOK_SECRET')), true);
    if ($secret === false) {
        throw new RuntimeException('PAY_WEBHOOK_SECRET is not a webhook secret');
    }
    $expected = base64_encode(hash_hmac('sha256', "$id.$sentAt.$body", $secret, true));
    foreach (explode(' ', $signatures) as $given) {
        [$version, $signature] = explode(',', $given, 2) + ['', ''];
        if ($version === 'v1' && hash_equals($expected, $signature)) {
            return json_decode($body, true, 64, JSON_THROW_ON_ERROR);
        }
    }
    throw new RuntimeException('no signature fits');
}

/** Do each event once; the platform sends it again until it gets a 2xx. */
function handle(string $id, array $event): void
{
    // In your shop: insert $id into a table with a unique column first, and stop when it is there already.
    if ($event['type'] === 'payment.succeeded') {
        error_log("paid {$event['data']['merchant_order_no']} {$event['data']['amount']} ($id)");
    }
}

function answer(int $status, ?array $body = null): void
{
    http_response_code($status);
    if ($body !== null) {
        header('Content-Type: application/json');
        echo json_encode($body, JSON_THROW_ON_ERROR);
    }
}

function hear(string $body): void
{
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    try {
        $event = verify(
            $body,
            $id,
            $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
            $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? ''
        );
    } catch (RuntimeException $refused) {
        answer(401, ['error' => $refused->getMessage()]);
        return;
    }
    handle($id, $event);
    answer(204);
}

function buy(string $body): void
{
    $wanted = json_decode($body, true, 64, JSON_THROW_ON_ERROR);
    $item = CATALOGUE[$wanted['item'] ?? ''] ?? null;
    if ($item === null) {
        answer(422, ['error' => 'no such item']);
        return;
    }
    [$status, $order] = createOrder((string) $wanted['order_no'], $item);
    if ($status === 0) {
        answer(503, ['error' => 'no connection; ask again with the same order_no']);
    } elseif ($status >= 300) {
        answer(502, ['error' => $order['code'], 'request_id' => $order['request_id']]);
    } else {
        answer(200, ['order_id' => $order['id']]);
    }
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$body = (string) file_get_contents('php://input');
try {
    match ($_SERVER['REQUEST_METHOD'] . ' ' . $path) {
        'POST /webhook' => hear($body),
        'POST /buy' => buy($body),
        default => answer(404, ['error' => 'not found']),
    };
} catch (JsonException $broken) {
    answer(400, ['error' => $broken->getMessage()]);
}
