// WebSocket clients in front of Tidegate and a server behind it, both in this process, so that each case sees
// both ends. Prints a line for each case: `ok NAME`, or `FAILED NAME: REASON`. `cargo xtask conformance` runs it.
'use strict';

const { readFileSync } = require('node:fs');
const { parseArgs } = require('node:util');
const { cases } = require('./cases');
const { crowd } = require('./crowd');
const { drain } = require('./drain');
const { Entry } = require('./entry');
const { Server } = require('./server');
const { within } = require('./wait');

// The slowest case is the crowd; the others take a second or two.
const CASE_LIMIT_MS = 60_000;

const { values } = parseArgs({
  options: {
    entry: { type: 'string', multiple: true }, // NAME=URL, for example h2-tls=https://127.0.0.1:8443
    server: { type: 'string' }, // the port that Tidegate knows the server by, over HTTP/1
    'server-h2c': { type: 'string' }, // and over HTTP/2
    ca: { type: 'string' }, // the file with the authority that Tidegate's certificate is from
    connections: { type: 'string', default: '2000' }, // how many at once
    pid: { type: 'string' }, // of the process that is to drain in the end; without it none does
    'drain-limit-ms': { type: 'string', default: '3000' }, // as the configuration says
  },
});

let failed = 0;

async function check(name, run) {
  try {
    await within(CASE_LIMIT_MS, name, run());
    console.log(`ok ${name}`);
    return true;
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${name}: ${String(error.message).replaceAll('\n', ' ')}`);
    return false;
  }
}

async function main() {
  const ca = values.ca && readFileSync(values.ca);
  const server = await Server.start(Number(values.server), Number(values['server-h2c']));
  const entries = [];
  for (const entry of values.entry.map((text) => Entry.of(text, ca, server))) {
    // Where nothing opens, every case would say so.
    if (!(await check(`${entry.name}: opens`, () => cases['text passes'](entry)))) continue;
    entries.push(entry);
    for (const [name, run] of Object.entries(cases)) await check(`${entry.name}: ${name}`, () => run(entry));
    const count = Number(values.connections);
    await check(`${entry.name}: ${count} at once`, () => crowd(entry, count));
  }
  if (values.pid) {
    const limit = Number(values['drain-limit-ms']);
    for (const [name, result] of Object.entries(drain(entries, Number(values.pid), limit))) {
      await check(`drain: ${name}`, () => result);
    }
  }
  // Whatever a failed case left open must not keep us here.
  process.exit(failed === 0 ? 0 : 1);
}

main().catch((error) => {
  console.log(`FAILED to start: ${error.stack}`);
  process.exit(1);
});
