/* wechatpay-axios-plugin as a merchant's server: does what one JSON document on stdin asks, prints what came.

`pays`: orders, pays, asks, closes and refunds at a simulator, and opens what was notified. `bills`: gets and
reads a day's trade bill. `checks`: judges what another implementation signed and sealed, and signs and seals
for it. */
'use strict';

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const { Wechatpay, Rsa, Aes, Formatter } = require('wechatpay-axios-plugin');

const seconds = () => `${Formatter.timestamp()}`;

async function control(url, path, body) {
  const answer = await fetch(`${url}/_sim/${path}`, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${path}: ${JSON.stringify(told)}`);
  return told;
}

/* The client throws when an answer of 2xx does not verify, and for every other status. */
function merchant(asked) {
  const wxpay = new Wechatpay({
    mchid: asked.mchid,
    serial: asked.serial,
    privateKey: asked.privateKey,
    certs: asked.certs,
    baseURL: asked.url,
    proxy: false,
    headers: asked.keyId ? { 'Wechatpay-Serial': asked.keyId } : {},
  });
  const chain = (path) => wxpay.chain(path);
  const orders = 'v3/pay/partner/transactions';
  const number = `${orders}/out-trade-no/{out_trade_no}`;
  const refunds = 'v3/refund/domestic/refunds';
  return {
    place: (kind, body) => chain(`${orders}/${kind}`).post(body),
    query: (out_trade_no, params) => chain(number).get({ out_trade_no, params }),
    close: (out_trade_no, body) => chain(`${number}/close`).post(body, { out_trade_no }),
    refund: (body) => chain(refunds).post(body),
    refunded: (out_refund_no, params) => chain(`${refunds}/{out_refund_no}`).get({ out_refund_no, params }),
    bill: (bill_date) => chain('v3/bill/tradebill').get({ params: { bill_date } }),
    file: (token) => chain('v3/billdownload/file').get({ params: { token }, responseType: 'arraybuffer' }),
  };
}

/* Verify and decrypt the latest notification of a kind as it was posted. */
async function notified(asked, out_trade_no, kind, refund) {
  await control(asked.url, `notify/${encodeURIComponent(out_trade_no)}`, refund ? { out_refund_no: refund } : {});
  const books = await control(asked.url, `ledger?out_trade_no=${encodeURIComponent(out_trade_no)}`);
  const { headers, body } = books.notifications.filter((entry) => entry.kind === kind).at(-1).attempts.at(-1);
  const message = Formatter.response(headers['Wechatpay-Timestamp'], headers['Wechatpay-Nonce'], body);
  const key = Rsa.from(asked.certs[headers['Wechatpay-Serial']], Rsa.KEY_TYPE_PUBLIC);
  const { resource, event_type } = JSON.parse(body);
  const { ciphertext, nonce, associated_data } = resource;
  return {
    genuine: Rsa.verify(message, headers['Wechatpay-Signature'], key),
    changed: Rsa.verify(message.replace('encrypt', 'ENCRYPT'), headers['Wechatpay-Signature'], key),
    event: event_type,
    content: JSON.parse(Aes.AesGcm.decrypt(ciphertext, asked.apiV3Key, nonce, associated_data)),
  };
}

function cashier(asked, appid, prepay_id) {
  const params = { timeStamp: seconds(), nonceStr: Formatter.nonce(), package: `prepay_id=${prepay_id}` };
  const message = Formatter.joinedByLineFeed(appid, params.timeStamp, params.nonceStr, params.package);
  return { ...params, signType: 'RSA', paySign: Rsa.sign(message, Rsa.from(asked.privateKey)) };
}

const failure = (error) => ({ status: error.response.status, code: error.response.data.code });

async function pays(asked) {
  const client = merchant(asked);
  const told = {};
  for (const [kind, { appid, body }] of Object.entries(asked.orders)) {
    const made = (await client.place(kind, body)).data;
    const paying = made.code_url ? { code_url: made.code_url } : { out_trade_no: body.out_trade_no };
    if (kind === 'jsapi') {
      Object.assign(paying, { pay_params: cashier(asked, appid, made.prepay_id), appid });
    }
    await control(asked.url, 'pay', paying);
    told[kind] = {
      made: Object.keys(made),
      found: (await client.query(body.out_trade_no, asked.numbers)).data,
      notified: await notified(asked, body.out_trade_no, 'payment'),
    };
  }
  const open = { ...asked.orders.native.body, out_trade_no: `${asked.orders.native.body.out_trade_no}c` };
  await client.place('native', open);
  told.closed = (await client.close(open.out_trade_no, asked.numbers)).status;
  told.closedState = (await client.query(open.out_trade_no, asked.numbers)).data.trade_state;
  const { sub_mchid } = asked.numbers;
  told.refund = (await client.refund(asked.refund)).data;
  told.refunded = (await client.refunded(asked.refund.out_refund_no, { sub_mchid })).data;
  told.refundNotified = await notified(asked, asked.refund.out_trade_no, 'refund', asked.refund.out_refund_no);
  told.absent = await client.query('AXIOS-absent', asked.numbers).catch(failure);
  told.excess = await client.refund({ ...asked.refund, out_refund_no: 'AX2' }).catch(failure);
  return told;
}

async function bills(asked) {
  const client = merchant(asked);
  const applied = (await client.bill(asked.day)).data;
  const token = new URL(applied.download_url).searchParams.get('token');
  const file = Buffer.from((await client.file(token)).data);
  return {
    applied,
    sha1: createHash('sha1').update(file).digest('hex'),
    bill: Formatter.castCsvBill(file),
    empty: await client.bill(asked.emptyDay).catch(failure),
  };
}

function checks(asked) {
  const theirs = Rsa.from(asked.publicKey, Rsa.KEY_TYPE_PUBLIC);
  const own = Rsa.from(asked.privateKey);
  const { ciphertext, nonce, associatedData } = asked.sealed;
  return {
    verified: asked.signed.map(({ lines, signature }) =>
      Rsa.verify(Formatter.joinedByLineFeed(...lines), signature, theirs)),
    signed: asked.toSign.map((lines) => Rsa.sign(Formatter.joinedByLineFeed(...lines), own)),
    opened: Aes.AesGcm.decrypt(ciphertext, asked.apiV3Key, nonce, associatedData),
    sealed: Aes.AesGcm.encrypt(asked.text, asked.apiV3Key, nonce, associatedData),
    unsealedField: Rsa.decrypt(asked.sealedField, own),
    sealedField: Rsa.encrypt(asked.text, theirs),
  };
}

async function main() {
  const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
  process.stdout.write(JSON.stringify(await { pays, bills, checks }[asked.task](asked)));
}

main();
