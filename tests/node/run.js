/* Runs calls on a client of pay.js as one JSON document on stdin asks, and prints what came of them. */
'use strict';

const fs = require('node:fs');
const { fakeWx } = require('./fake_wx.js');

const SHORTER = 50; // pauses of pay.js, so that tests are quick
const wait = setTimeout;
global.setTimeout = (call, ms) => wait(call, ms / SHORTER);

async function main() {
  const asked = JSON.parse(fs.readFileSync(0, 'utf8'));
  const { wx, log, shelf } = fakeWx(asked.settings);
  global.wx = wx;
  const { createClient } = require(asked.payJs);
  const client = createClient(require(asked.configJs));
  const outcomes = [];
  for (const round of asked.rounds) {
    const calls = round.map(([name, ...given]) =>
      client[name](...given).then(
        (value) => ({ value }),
        (error) => ({ error: { code: error.code, status: error.status, message: error.message } }),
      ),
    );
    outcomes.push(await Promise.all(calls));
  }
  process.stdout.write(JSON.stringify({ outcomes, log, shelf: Object.fromEntries(shelf) }));
}

main();
