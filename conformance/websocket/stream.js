// The library's WebSocket on a stream of HTTP/2, at either end (RFC 8441).
'use strict';

const WebSocket = require('ws');
const { watchEnd } = require('./wait');

const DEFLATE = 'permessage-deflate';

/** The field that offers compression with these options, and the object that does it; nothing without options. */
function offer(options) {
  if (!options) return {};
  const deflate = new WebSocket.PerMessageDeflate({ ...options, isServer: false });
  return { deflate, field: WebSocket.extension.format({ [DEFLATE]: deflate.offer() }) };
}

/** The field that accepts what was offered, and the object that does it; nothing where nothing was offered. */
function accept(field, options) {
  const offered = field && WebSocket.extension.parse(field)[DEFLATE];
  if (!offered) return {};
  const deflate = new WebSocket.PerMessageDeflate({ ...options, isServer: true });
  deflate.accept(offered);
  return { deflate, field: WebSocket.extension.format({ [DEFLATE]: [deflate.params] }) };
}

/** The object of an offer, if this field accepts it. */
function accepted(deflate, field) {
  if (!field) return undefined;
  deflate.accept(WebSocket.extension.parse(field)[DEFLATE]);
  return deflate;
}

/** A WebSocket on a stream whose handshake is over. */
function over(stream, { isServer, protocol = '', deflate }) {
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  socket._isServer = isServer; // without an address the library takes itself for a server
  socket._protocol = protocol;
  if (deflate) socket._extensions[DEFLATE] = deflate;
  watchEnd(socket);
  socket.setSocket(stream, Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxBufferedChunks: 1 << 18,
    maxFragments: 1 << 14,
    maxPayload: 100 << 20,
    skipUTF8Validation: false,
  });
  return socket;
}

module.exports = { accept, accepted, offer, over };
