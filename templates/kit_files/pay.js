/*
 * wxsp mini-program client: CommonJS, ES2017, no dependency. Types are in pay.d.ts.
 *
 * pay() never trusts what the cashier reports: wx.requestPayment also says "fail cancel" for wrong parameters,
 * and "success" before the money has arrived. After success and after fail alike the server is asked.
 */
'use strict';

const VERSION = '1.0.0';
const TIMEOUT_MS = 10000;
const PAUSES_MS = [400, 1200]; // before the second and the third try
const LONGEST_PAUSE_MS = 5000;
const RENEW_EARLY_MS = 60000; // a token is replaced a minute before it ends
const ASKS = 3;
const WAIT_S = 5; // how long the server may hold each of these questions
const PREPARE_MS = 2000; // between questions for an order that WeChat has not confirmed yet
const SETTLED = { paid: 'paid', closed: 'closed', revoked: 'closed', failed: 'failed' };

/** What went wrong: `code` is the API's stable word, or one of network, login, wrong_appid, invalid_argument. */
class PayError extends Error {
  constructor(code, message, facts) {
    super(message);
    this.name = 'PayError';
    this.code = code;
    Object.assign(this, { status: 0, requestId: '', order: null, retryAfterMs: 0 }, facts);
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const part = () => Math.random().toString(36).slice(2, 12);
const newKey = () => `mp-${Date.now().toString(36)}-${part()}${part()}`;

function headerOf(answer, wanted) {
  const headers = answer.header || {};
  const name = Object.keys(headers).find((each) => each.toLowerCase() === wanted);
  return name === undefined ? '' : String(headers[name]);
}

function problemOf(answer) {
  const problem = answer.data && typeof answer.data === 'object' ? answer.data : {};
  const requestId = problem.request_id || headerOf(answer, 'request-id');
  const retryAfterMs = (parseInt(headerOf(answer, 'retry-after'), 10) || 0) * 1000;
  const facts = { status: answer.statusCode, requestId, order: problem.order || null, retryAfterMs };
  return new PayError(problem.code || `http_${answer.statusCode}`, problem.detail || `HTTP ${answer.statusCode}`, facts);
}

function isWorthRepeating(error) {
  return error.code === 'network' || error.code === 'in_progress' || error.status === 429 || error.status >= 500;
}

/** Send once. Resolves with the JSON of a 2xx answer, rejects with PayError. */
function sendOnce(url, call, token) {
  const header = { Accept: 'application/json' };
  if (token) header.Authorization = 'Bearer ' + token;
  if (call.idempotencyKey) header['Idempotency-Key'] = call.idempotencyKey;
  const method = call.method || 'GET';
  const data = method === 'GET' ? call.data : call.data || {};
  return new Promise((resolve, reject) => {
    const success = (answer) => (answer.statusCode >= 200 && answer.statusCode < 300
      ? resolve(answer.data) : reject(problemOf(answer)));
    const fail = (failure) => reject(new PayError('network', (failure && failure.errMsg) || 'request:fail'));
    wx.request({ url, method, header, data, dataType: 'json', timeout: TIMEOUT_MS, success, fail });
  });
}

/** Send, and again when that may help: a GET, and a POST that its idempotency key makes safe to repeat. */
async function send(url, call, token) {
  const mayRepeat = (call.method || 'GET') === 'GET' || Boolean(call.idempotencyKey);
  const tries = call.tries || (mayRepeat ? PAUSES_MS.length + 1 : 1);
  for (let made = 1; ; made += 1) {
    try {
      return await sendOnce(url, call, token);
    } catch (error) {
      if (made >= tries || !isWorthRepeating(error)) throw error;
      await pause(Math.min(Math.max(PAUSES_MS[made - 1], error.retryAfterMs), LONGEST_PAUSE_MS));
    }
  }
}

function askForCode() {
  return new Promise((resolve, reject) => {
    const failed = (failure) => reject(new PayError('login', (failure && failure.errMsg) || 'login:fail'));
    wx.login({ timeout: TIMEOUT_MS, success: (got) => (got.code ? resolve(got.code) : failed(got)), fail: failed });
  });
}

function openCashier(params) {
  return new Promise((resolve) => {
    const done = (ok) => (answer) => resolve({ ok, message: (answer && answer.errMsg) || '' });
    wx.requestPayment(Object.assign({}, params, { success: done(true), fail: done(false) }));
  });
}

function createClient(config) {
  ['apiBase', 'tenantId', 'subAppid'].forEach((name) => {
    if (!config || !config[name]) throw new PayError('invalid_argument', `config.${name} is missing`);
  });
  const base = `${config.apiBase.replace(/\/+$/, '')}/v1/mini/${config.tenantId}`;
  const shelf = `wxsp.session.${config.tenantId}.${config.subAppid}`;
  const paying = {};
  let session = wx.getStorageSync(shelf) || null;
  let loggingIn = null;

  async function newSession() {
    const running = wx.getAccountInfoSync ? wx.getAccountInfoSync().miniProgram.appId : config.subAppid;
    if (running !== config.subAppid) {
      throw new PayError('wrong_appid', `config.js is for ${config.subAppid}, this mini-program is ${running}`);
    }
    const data = { sub_appid: config.subAppid, code: await askForCode() };
    const made = await send(`${base}/sessions`, { method: 'POST', data });
    session = { token: made.token, endsAt: Date.parse(made.expires_at) };
    wx.setStorageSync(shelf, session);
    return session.token;
  }

  /** Resolve with a token: the kept one, or that of the one login all callers share. */
  function login() {
    if (session && session.endsAt - RENEW_EARLY_MS > Date.now()) return Promise.resolve(session.token);
    if (!loggingIn) {
      loggingIn = newSession();
      loggingIn.catch(() => {}).then(() => { loggingIn = null; });
    }
    return loggingIn;
  }

  /** Call the API below /v1/mini/{tenant}; an expired session is renewed and the call repeated, once. */
  async function request(call) {
    const token = await login();
    try {
      return await send(base + call.path, call, token);
    } catch (error) {
      if (error.code !== 'session_expired') throw error;
      if (session && session.token === token) session = null; // another call may have renewed it already
      return send(base + call.path, call, await login());
    }
  }

  function getOrder(orderId, options) {
    const wait = options && options.wait ? `?wait=${options.wait}` : '';
    return request({ path: `/orders/${encodeURIComponent(orderId)}${wait}`, tries: options && options.tries });
  }

  function prepare(orderId) {
    return request({ method: 'POST', path: `/orders/${encodeURIComponent(orderId)}/pay`, idempotencyKey: newKey() });
  }

  /** Get the payment parameters; without any when the order cannot be paid (any more), or not yet. */
  async function place(what) {
    const data = { price_code: what.priceCode, quantity: what.quantity === undefined ? 1 : what.quantity };
    const create = { method: 'POST', path: '/orders', data, idempotencyKey: what.idempotencyKey || newKey() };
    let found = await (what.orderId ? prepare(what.orderId) : request(create));
    const id = what.orderId || found.id;
    for (let asked = 0; !found.pay_params && !SETTLED[found.status] && asked < ASKS; asked += 1) {
      await pause(PREPARE_MS); // WeChat's answer is unknown (202); the platform finds out by itself
      found = await prepare(id);
    }
    return { id, params: found.pay_params };
  }

  /** Ask the server up to three times what became of it. Never rejects: what is not known is pending. */
  async function outcome(id, userCanceledHint) {
    let order = null;
    for (let asked = 0; asked < ASKS; asked += 1) {
      order = await getOrder(id, { wait: WAIT_S, tries: 1 }).catch(() => pause(PAUSES_MS[1]).then(() => order));
      if (order && SETTLED[order.status]) break;
    }
    return { status: (order && SETTLED[order.status]) || 'pending', userCanceledHint, order };
  }

  async function payOnce(what) {
    const placed = await place(what).catch((error) => {
      if (error.code === 'state_conflict' && what.orderId) return { id: what.orderId, params: null }; // paid or closed
      throw error;
    });
    if (!placed.params) return outcome(placed.id, false);
    const reported = await openCashier(placed.params);
    return outcome(placed.id, !reported.ok && /cancel/i.test(reported.message));
  }

  /** Pay an order of the merchant's server, or one from the price list. A second tap joins the first. */
  function pay(what) {
    if (!what || Boolean(what.orderId) === Boolean(what.priceCode)) {
      return Promise.reject(new PayError('invalid_argument', 'pay() takes either orderId or priceCode'));
    }
    const tap = JSON.stringify([what.orderId, what.priceCode, what.quantity]);
    if (!paying[tap]) {
      paying[tap] = payOnce(what);
      paying[tap].catch(() => {}).then(() => { delete paying[tap]; });
    }
    return paying[tap];
  }

  return { login, request, pay, getOrder };
}

module.exports = { createClient, PayError, version: VERSION };
