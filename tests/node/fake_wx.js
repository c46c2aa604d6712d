/*
 * A `wx` for Node: requests go to the real API, codes and payments to the simulator, as the settings say.
 * Everything that was asked of it is noted in `log`.
 */
'use strict';

const http = require('node:http');

function send(url, method, header, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: header, agent: false }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        resolve({ statusCode: answer.statusCode, header: answer.headers, data: text ? JSON.parse(text) : '' });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** `settings`: appid, openid, simulator, cashier, lose, drop, answers, running, kept. */
function fakeWx(settings) {
  const log = { logins: 0, requests: [], cashiers: 0, timeouts: [] };
  const shelf = new Map(Object.entries(settings.kept || {}));
  const left = { drop: settings.drop || 0, lose: settings.lose || 0, answers: [...(settings.answers || [])] };
  const paysForReal = ['pays', 'pays but says fail'].includes(settings.cashier);
  const control = (path, body) =>
    send(`${settings.simulator}/_sim/${path}`, 'POST', { 'Content-Type': 'application/json' }, JSON.stringify(body));

  async function answerTo(options) {
    const key = options.header['Idempotency-Key'] || null;
    const path = new URL(options.url);
    log.requests.push({ method: options.method, path: path.pathname + path.search, key });
    log.timeouts.push(options.timeout);
    if (left.drop > 0) {
      left.drop -= 1;
      throw new Error('dropped');
    }
    if (left.answers.length) return left.answers.shift();
    const header = Object.assign({}, options.header);
    let body;
    if (options.method !== 'GET') {
      header['Content-Type'] = 'application/json';
      body = JSON.stringify(options.data);
    }
    // Where nobody pays, nothing is worth waiting for.
    const url = paysForReal ? options.url : options.url.replace('?wait=5', '');
    const answer = await send(url, options.method, header, body);
    if (left.lose > 0 && options.method === 'POST' && !options.url.endsWith('/sessions')) {
      left.lose -= 1;
      throw new Error('lost');
    }
    return answer;
  }

  async function cashier(options) {
    log.cashiers += 1;
    const params = { timeStamp: options.timeStamp, nonceStr: options.nonceStr, package: options.package };
    Object.assign(params, { signType: options.signType, paySign: options.paySign });
    if (paysForReal) {
      const paid = await control('pay', {
        prepay_id: options.package.replace('prepay_id=', ''),
        openid: settings.openid,
        outcome: 'success',
        pay_params: params,
        appid: settings.appid,
      });
      if (paid.statusCode !== 200) throw new Error(`requestPayment:fail ${JSON.stringify(paid.data)}`);
    }
    if (settings.cashier === 'cancels') throw new Error('requestPayment:fail cancel');
    if (settings.cashier === 'pays but says fail') throw new Error('requestPayment:fail');
    return { errMsg: 'requestPayment:ok' };
  }

  const wx = {
    request(options) {
      answerTo(options).then(options.success, (error) => options.fail({ errMsg: `request:fail ${error.message}` }));
    },
    login(options) {
      log.logins += 1;
      control('codes', { appid: settings.appid, openid: settings.openid }).then(
        (made) => options.success({ code: made.data.code, errMsg: 'login:ok' }),
        (error) => options.fail({ errMsg: `login:fail ${error.message}` }),
      );
    },
    requestPayment(options) {
      cashier(options).then(options.success, (error) => options.fail({ errMsg: error.message }));
    },
    getStorageSync: (name) => (shelf.has(name) ? JSON.parse(shelf.get(name)) : ''),
    setStorageSync: (name, value) => shelf.set(name, JSON.stringify(value)),
    getAccountInfoSync: () => ({ miniProgram: { appId: settings.running || settings.appid } }),
  };
  return { wx, log, shelf };
}

module.exports = { fakeWx };
