/*
 * A merchant's server: makes orders and hears of payments. Node.js 18 or newer, no package needed.
 *
 *   PAY_API_BASE=https://…  PAY_API_KEY=…  PAY_WEBHOOK_SECRET=…  PAY_SUB_APPID=wx…  node server.js
 *
 *   POST /buy       {"order_no": "C1001", "item": "latte"}  ->  {"order_id": "ord_…"} for pay.js
 *   POST /webhook   events of the payment platform
 */
'use strict';

const crypto = require('node:crypto');
const http = require('node:http');

function setting(name) {
  if (!process.env[name]) throw new Error(`${name} is not set`);
  return process.env[name];
}

const API_BASE = setting('PAY_API_BASE').replace(/\/+$/, '');
const API_KEY = setting('PAY_API_KEY');
const WEBHOOK_SECRET = setting('PAY_WEBHOOK_SECRET');
const SUB_APPID = setting('PAY_SUB_APPID');
const PORT = Number(process.env.PORT || 8080);

// In your shop these come from your own database. Never take an amount from the client.
const CATALOGUE = new Map([['latte', { description: '拿铁', amount: 1280 }]]);
const seen = new Set(); // event ids; in your shop: a table with a unique column

const TOLERANCE_S = 300;
const MAX_BODY_BYTES = 256 * 1024;

/** Make the order, or get the same one again: orderNo decides. Amounts are whole fen. */
async function createOrder(orderNo, item) {
  const response = await fetch(`${API_BASE}/v1/orders`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({
      merchant_order_no: orderNo,
      amount: item.amount,
      description: item.description,
      trade_type: 'JSAPI',
      sub_appid: SUB_APPID,
    }),
    signal: AbortSignal.timeout(20000),
  });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new Error(answer.code), { problem: answer });
  return answer;
}

/** Check signature and time (Standard Webhooks) and return the event. Throws Error. */
function verify(body, headers) {
  const sentAt = headers['webhook-timestamp'] || '';
  if (!/^\d+$/.test(sentAt) || Math.abs(Date.now() / 1000 - Number(sentAt)) > TOLERANCE_S) {
    throw new Error('the timestamp is missing, or too far from now');
  }
  const secret = Buffer.from(WEBHOOK_SECRET.replace(/^whsec_/, ''), 'base64');
  const signed = Buffer.concat([Buffer.from(`${headers['webhook-id'] || ''}.${sentAt}.`), body]);
  const expected = crypto.createHmac('sha256', secret).update(signed).digest();
  const fits = (headers['webhook-signature'] || '').split(' ').some((given) => {
    const [version, signature] = given.split(',');
    const got = Buffer.from(signature || '', 'base64');
    return version === 'v1' && got.length === expected.length && crypto.timingSafeEqual(got, expected);
  });
  if (!fits) throw new Error('no signature fits');
  return JSON.parse(body.toString('utf8'));
}

/** Do each event once; the platform sends it again until it gets a 2xx. */
function handle(eventId, event) {
  if (seen.has(eventId)) return;
  if (event.type === 'payment.succeeded') {
    console.log('paid', event.data.merchant_order_no, event.data.amount);
  }
  seen.add(eventId);
}

async function read(request) {
  const parts = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw Object.assign(new Error('too large'), { status: 413 });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function answer(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function hear(body, headers, response) {
  let event;
  try {
    event = verify(body, headers);
  } catch (error) {
    answer(response, 401, { error: error.message });
    return;
  }
  handle(headers['webhook-id'], event);
  answer(response, 204);
}

async function buy(body, response) {
  const wanted = JSON.parse(body.toString('utf8'));
  const item = CATALOGUE.get(wanted.item);
  if (!item) {
    answer(response, 422, { error: 'no such item' });
    return;
  }
  try {
    answer(response, 200, { order_id: (await createOrder(wanted.order_no, item)).id });
  } catch (error) {
    if (error.problem) answer(response, 502, { error: error.problem.code, request_id: error.problem.request_id });
    else answer(response, 503, { error: 'no connection; ask again with the same order_no' });
  }
}

async function serve(request, response) {
  const body = await read(request);
  if (request.method === 'POST' && request.url === '/webhook') hear(body, request.headers, response);
  else if (request.method === 'POST' && request.url === '/buy') await buy(body, response);
  else answer(response, 404, { error: 'not found' });
}

http
  .createServer((request, response) => {
    serve(request, response).catch((error) => answer(response, error.status || 400, { error: error.message }));
  })
  .listen(PORT, '127.0.0.1');
