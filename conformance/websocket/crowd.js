// Many at once: all are open together, each echoes, each is closed.
'use strict';

const assert = require('node:assert/strict');
const { closed, next } = require('./wait');

// Opening goes in waves, so that no queue of connections not yet accepted overflows.
const WAVE = 100;

async function crowd(entry, count) {
  const all = [];
  while (all.length < count) {
    const wave = Array.from({ length: Math.min(WAVE, count - all.length) }, () => entry.open());
    all.push(...(await Promise.all(wave)));
  }
  for (const { server } of all) server.on('message', (data) => server.send(data.toString()));
  // Twice: with all of them open, and once more after all were used.
  for (const round of ['first', 'second']) {
    await Promise.all(all.map(({ client }, at) => echo(client, `${round} of ${at}`)));
  }
  const lost = all.filter(({ client, server }) => client.readyState !== 1 || server.readyState !== 1);
  assert.equal(lost.length, 0, `${lost.length} of ${count} did not stay open`);
  for (const { client } of all) client.close(3000, 'enough');
  const ends = await Promise.all(all.flatMap(({ client, server }) => [closed(client), closed(server)]));
  const odd = ends.filter(({ code }) => code !== 3000);
  assert.equal(odd.length, 0, `${odd.length} ends were closed otherwise, for example with ${odd[0]?.code}`);
}

async function echo(client, text) {
  const message = next(client, 'message');
  client.send(text);
  assert.equal((await message)[0].toString(), text);
}

module.exports = { crowd };
