"""A merchant's server: makes orders and hears of payments. Python 3.9 or newer, no package needed.

PAY_API_BASE=https://…  PAY_API_KEY=…  PAY_WEBHOOK_SECRET=…  PAY_SUB_APPID=wx…  python3 server.py

POST /buy       {"order_no": "C1001", "item": "latte"}  ->  {"order_id": "ord_…"} for pay.js
POST /webhook   events of the payment platform
"""

import base64
import hashlib
import hmac
import json
import os
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

API_BASE = os.environ["PAY_API_BASE"].rstrip("/")
API_KEY = os.environ["PAY_API_KEY"]
WEBHOOK_SECRET = os.environ["PAY_WEBHOOK_SECRET"]
SUB_APPID = os.environ["PAY_SUB_APPID"]
PORT = int(os.environ.get("PORT", "8080"))

# In your shop these come from your own database. Never take an amount from the client.
CATALOGUE = {"latte": {"description": "拿铁", "amount": 1280}}
SEEN = set()  # event ids; in your shop: a table with a unique column

TOLERANCE_S = 300
MAX_BODY_BYTES = 256 * 1024


def create_order(order_no, item):
    """Make the order, or get the same one again: order_no decides. Amounts are whole fen."""
    body = {
        "merchant_order_no": order_no,
        "amount": item["amount"],
        "description": item["description"],
        "trade_type": "JSAPI",
        "sub_appid": SUB_APPID,
    }
    request = urllib.request.Request(
        API_BASE + "/v1/orders",
        data=json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + API_KEY, "Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def verify(body, headers):
    """Check signature and time (Standard Webhooks) and return the event. Raises ValueError."""
    event_id = headers.get("webhook-id", "")
    sent_at = headers.get("webhook-timestamp", "")
    if not sent_at.isdigit() or abs(time.time() - int(sent_at)) > TOLERANCE_S:
        raise ValueError("the timestamp is missing, or too far from now")
    prefix = "whsec_"
    secret = WEBHOOK_SECRET[len(prefix) :] if WEBHOOK_SECRET.startswith(prefix) else WEBHOOK_SECRET
    signed = event_id.encode() + b"." + sent_at.encode() + b"." + body
    expected = base64.b64encode(hmac.new(base64.b64decode(secret), signed, hashlib.sha256).digest())
    for given in headers.get("webhook-signature", "").split():
        version, _, signature = given.partition(",")
        if version == "v1" and hmac.compare_digest(signature.encode(), expected):
            return json.loads(body)
    raise ValueError("no signature fits")


def handle(event_id, event):
    """Do each event once; the platform sends it again until it gets a 2xx."""
    if event_id in SEEN:
        return
    if event["type"] == "payment.succeeded":
        print("paid", event["data"]["merchant_order_no"], event["data"]["amount"], flush=True)
    SEEN.add(event_id)


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BODY_BYTES:
            self.answer(413, {"error": "too large"})
            return
        body = self.rfile.read(length)
        if self.path == "/webhook":
            self.hear(body)
        elif self.path == "/buy":
            self.buy(body)
        else:
            self.answer(404, {"error": "not found"})

    def hear(self, body):
        try:
            event = verify(body, self.headers)
        except ValueError as error:
            self.answer(401, {"error": str(error)})
            return
        handle(self.headers["webhook-id"], event)
        self.answer(204)

    def buy(self, body):
        wanted = json.loads(body)
        item = CATALOGUE.get(wanted.get("item"))
        if item is None:
            self.answer(422, {"error": "no such item"})
            return
        try:
            order = create_order(wanted["order_no"], item)
        except urllib.error.HTTPError as refused:
            problem = json.load(refused)
            self.answer(502, {"error": problem["code"], "request_id": problem["request_id"]})
            return
        except OSError:
            self.answer(503, {"error": "no connection; ask again with the same order_no"})
            return
        self.answer(200, {"order_id": order["id"]})

    def answer(self, status, body=None):
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", PORT), Server).serve_forever()
