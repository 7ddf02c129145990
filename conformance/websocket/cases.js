// What must hold of a WebSocket through Tidegate, however clients reach it. Each case gets a connection of its own.
'use strict';

const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { closed, next, pause } = require('./wait');

const LARGE = 8 << 20;

/** Sends by one end and gives what the other receives. */
async function sent(from, to, data, options = {}) {
  const message = next(to, 'message');
  from.send(data, options);
  const [received, isBinary] = await message;
  return isBinary ? received : received.toString();
}

/** Has each message arrive as it was sent, in both directions. */
async function passes(entry, messages, options) {
  const { client, server } = await entry.open(options);
  for (const message of messages) {
    for (const [from, to] of [[client, server], [server, client]]) {
      const received = await sent(from, to, message);
      // Equal or not; a diff of megabytes would help nobody.
      const isSame = typeof message === 'string' ? received === message : message.equals(received);
      assert.ok(isSame, `a message of ${message.length} arrived otherwise`);
    }
  }
  await finish(client, server);
}

async function finish(client, server) {
  client.close(1000);
  assert.deepEqual([(await closed(client)).code, (await closed(server)).code], [1000, 1000]);
}

/** Closes by one end, and checks that the other is told the same, and that the answer comes back. */
async function closes(entry, closing, [code, reason], told = code) {
  const ends = await entry.open();
  const other = closing === 'client' ? 'server' : 'client';
  ends[closing].close(code, reason);
  const [there, here] = [await closed(ends[other]), await closed(ends[closing])];
  assert.deepEqual([there.code, there.reason], [told, reason ?? ''], `the ${other} was told otherwise`);
  assert.equal(here.code, told, `the ${closing} was answered otherwise`);
}

/** Codes that applications may send, with the longest reason that fits into a control frame. */
const CLOSES = [
  [1000, ''],
  [1000, 'done'],
  [1001, 'going away'],
  [1011, 'an error'],
  [3000, 'registered'],
  [3999, ''],
  [4000, 'our own'],
  [4999, 'ü'.repeat(61)],
];

/** The messages of `socket` as they come, and a promise of the n-th. */
function collect(socket, count) {
  const messages = [];
  return new Promise((resolve) => {
    socket.on('message', (data) => {
      messages.push(data.toString());
      if (messages.length === count) resolve(messages);
    });
  });
}

const cases = {
  'text passes': (entry) => passes(entry, ['', 'a', 'tide', 'Ebbe und Flut ≈ 潮汐 🌊', 'x'.repeat(70_000)]),

  'binary passes, at the sizes where frames change': (entry) => {
    const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537];
    return passes(entry, sizes.map((size) => randomBytes(size)));
  },

  'messages of 8 MB pass': (entry) => passes(entry, [randomBytes(LARGE), 'y'.repeat(LARGE)]),

  'messages of 8 MB pass in both directions at once': async (entry) => {
    const { client, server } = await entry.open();
    const [up, down] = [randomBytes(LARGE), randomBytes(LARGE)];
    const [atServer, atClient] = await Promise.all([sent(client, server, up), sent(server, client, down)]);
    assert.ok(up.equals(atServer) && down.equals(atClient));
    await finish(client, server);
  },

  'many small messages keep their order': async (entry) => {
    const { client, server } = await entry.open();
    const wanted = Array.from({ length: 5000 }, (_, at) => `message ${at}`);
    const all = Promise.all([collect(server, 5000), collect(client, 5000)]);
    for (const message of wanted) {
      client.send(message);
      server.send(message);
    }
    assert.deepEqual(await all, [wanted, wanted]);
    await finish(client, server);
  },

  'fragments pass, with pings between them': async (entry) => {
    const { client, server } = await entry.open();
    for (const [from, to] of [[client, server], [server, client]]) {
      const message = next(to, 'message');
      for (const part of ['a ', 'message ', 'in ']) {
        from.send(part, { fin: false });
        const ping = next(to, 'ping');
        from.ping(part);
        assert.equal((await ping)[0].toString(), part);
      }
      from.send('parts', { fin: true });
      assert.equal((await message)[0].toString(), 'a message in parts');
    }
    await finish(client, server);
  },

  'pings are answered by the other end': async (entry) => {
    const { client, server } = await entry.open();
    for (const [from, to] of [[client, server], [server, client]]) {
      for (const payload of ['', 'beat', 'p'.repeat(125)]) {
        const [ping, pong] = [next(to, 'ping'), next(from, 'pong')];
        from.ping(payload);
        assert.equal((await ping)[0].toString(), payload);
        assert.equal((await pong)[0].toString(), payload);
      }
    }
    await finish(client, server);
  },

  'close codes of the client arrive': async (entry) => {
    for (const close of CLOSES) await closes(entry, 'client', close);
    await closes(entry, 'client', [], 1005);
  },

  'close codes of the server arrive': async (entry) => {
    for (const close of CLOSES) await closes(entry, 'server', close);
    await closes(entry, 'server', [], 1005);
  },

  'a close waits for what was sent before it': async (entry) => {
    const { client, server } = await entry.open();
    const message = next(client, 'message');
    const data = randomBytes(LARGE);
    server.send(data);
    server.close(4000, 'that was all');
    assert.ok(data.equals((await message)[0]));
    assert.equal((await closed(client)).code, 4000);
  },

  'an end without a close is no close': async (entry) => {
    for (const [ending, other] of [['client', 'server'], ['server', 'client']]) {
      const ends = await entry.open();
      ends[ending].terminate();
      assert.equal((await closed(ends[other])).code, 1006, `at the ${other}`);
    }
  },

  'what is not valid is for the ends to judge': async (entry) => {
    const { client, server } = await entry.open();
    // A frame with an opcode that nobody knows; the server must see it, and its verdict must come back.
    client._socket.write(Buffer.from([0x8b, 0x80, 0, 0, 0, 0]));
    assert.equal((await closed(client)).code, 1002);
    assert.ok(server.readyState >= 2);
  },

  'compression is negotiated between the ends': async (entry) => {
    // Parameters that no proxy would think of by itself.
    const perMessageDeflate = { clientMaxWindowBits: 11, serverMaxWindowBits: 12, threshold: 0 };
    const ends = await entry.open({ perMessageDeflate });
    const asked = ends.request['sec-websocket-extensions'];
    assert.equal(asked, 'permessage-deflate; server_max_window_bits=12; client_max_window_bits=11');
    const granted = ends.response['sec-websocket-extensions'];
    const parameters = 'server_max_window_bits=12; client_max_window_bits=11; server_no_context_takeover';
    assert.equal(granted, `permessage-deflate; ${parameters}`);
    const before = [bytesRead(ends.client), bytesRead(ends.server)];
    const text = 'tide '.repeat(200_000);
    assert.equal(await sent(ends.client, ends.server, text), text);
    assert.equal(await sent(ends.server, ends.client, text), text);
    for (const [at, socket] of [ends.client, ends.server].entries()) {
      const bytes = bytesRead(socket) - before[at];
      assert.ok(bytes > 0 && bytes < 50_000, `1 MB of repetition took ${bytes} bytes`);
    }
    const mixed = await sent(ends.client, ends.server, text, { compress: false });
    assert.equal(mixed, text, 'a message without compression between others');
    await finish(ends.client, ends.server);
  },

  'no compression is made up': async (entry) => {
    const { client, server, request, response } = await entry.open();
    assert.equal(request['sec-websocket-extensions'], undefined);
    assert.equal(response['sec-websocket-extensions'], undefined);
    await finish(client, server);
  },

  'the subprotocol is chosen by the server': async (entry) => {
    const { client, server, request } = await entry.open({ protocols: ['chat.v1', 'chat.v2'] });
    assert.equal(request['sec-websocket-protocol'].replaceAll(' ', ''), 'chat.v1,chat.v2');
    assert.deepEqual([client.protocol, server.protocol], ['chat.v2', 'chat.v2']);
    await finish(client, server);
  },

  'a refusal of the server arrives': async (entry) => {
    const refusal = await entry.connect('/refused', {}).then(() => 'accepted', (error) => error.refused);
    assert.equal(refusal, 403);
  },

  'one without traffic ends after the idle limit, one with pings does not': async (entry) => {
    // `/idle/*` has a limit of one second, by the configuration.
    const [quiet, lively] = [await entry.open({ path: '/idle' }), await entry.open({ path: '/idle' })];
    const began = performance.now();
    const beat = setInterval(() => lively.client.ping(), 300);
    try {
      const end = await closed(quiet.client);
      const time = end.at - began;
      assert.ok(time > 900 && time < 2500, `ended after ${Math.round(time)} ms`);
      await closed(quiet.server);
      await pause(1000);
      assert.equal(lively.client.readyState, 1, 'pings are traffic');
    } finally {
      clearInterval(beat);
    }
    await finish(lively.client, lively.server);
  },
};

/** Bytes that came in on the connection below. */
function bytesRead(socket) {
  const below = socket._socket;
  return (below.session?.socket ?? below).bytesRead;
}

module.exports = { cases };
