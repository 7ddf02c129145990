// A drain: who finishes in time finishes in peace, who does not is cut when the configuration says.
'use strict';

const assert = require('node:assert/strict');
const { closed, next, pause } = require('./wait');

// How much later than the limit an end may come: coarse time-outs, and a machine that is busy.
const LATE_MS = 2000;

/** Drains the process once for all entries; a promise for each entry. */
function drain(entries, pid, limit_ms) {
  const term = Promise.all(entries.map(prepare)).then((prepared) => {
    const at = performance.now();
    process.kill(pid, 'SIGTERM');
    return { at, prepared };
  });
  const results = entries.map(async (entry, index) => {
    const { at, prepared } = await term;
    await drained(entry, prepared[index], at, limit_ms);
  });
  // They are looked at one after the other, and must not be taken for forgotten until then.
  for (const result of results) result.catch(() => {});
  return Object.fromEntries(entries.map((entry, index) => [entry.name, results[index]]));
}

async function prepare(entry) {
  return { patient: await entry.open(), prompt: await entry.open() };
}

async function drained(entry, { patient, prompt }, began, limit_ms) {
  patient.server.on('message', (data) => patient.server.send(data.toString()));
  // Half of the time that there is: what runs goes on as if nothing were.
  while (performance.now() - began < limit_ms / 2) {
    const message = next(patient.client, 'message');
    patient.client.send('still here');
    assert.equal((await message)[0].toString(), 'still here');
    await pause(100);
  }
  await assert.rejects(entry.fresh().connect('/late', {}), 'a new connection was served during the drain');
  prompt.server.close(1001, 'the server asks for it');
  assert.deepEqual([(await closed(prompt.client)).code, (await closed(prompt.server)).code], [1001, 1001]);
  const ends = [await closed(patient.client), await closed(patient.server)];
  for (const { code, at } of ends) {
    const after = Math.round(at - began);
    assert.ok(after > limit_ms - 200 && after < limit_ms + LATE_MS, `cut after ${after} ms, not ${limit_ms}`);
    // Tidegate speaks no WebSocket and makes up no close; 1001 would be as true.
    assert.ok([1001, 1006].includes(code), `ended with ${code}`);
  }
}

module.exports = { drain };
