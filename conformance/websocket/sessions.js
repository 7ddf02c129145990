// WebSockets over HTTP/2 (RFC 8441): the library's own WebSocket on a stream of Node's HTTP/2 client.
'use strict';

const http2 = require('node:http2');
const WebSocket = require('ws');
const { next, watchEnd } = require('./wait');

// Well below what any server allows, so that no stream waits for another.
const STREAMS_PER_SESSION = 50;

class Sessions {
  #entry;
  #open = []; // sessions, or promises of them, with the number of their streams

  constructor(entry) {
    this.#entry = entry;
  }

  async connect(path, { protocols, perMessageDeflate }) {
    const place = this.#place();
    const session = await place.session;
    const offer = perMessageDeflate && new WebSocket.PerMessageDeflate({ ...perMessageDeflate, isServer: false });
    const stream = session.request(this.#head(path, protocols, offer), { endStream: false });
    stream.on('close', () => { place.streams -= 1; });
    const [response] = await next(stream, 'response');
    if (response[':status'] !== 200) {
      stream.destroy();
      const error = new Error(`extended CONNECT was answered with ${response[':status']}`);
      throw Object.assign(error, { refused: response[':status'] });
    }
    return { client: socket(stream, response, offer), response };
  }

  #head(path, protocols, offer) {
    const head = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': this.#entry.url.protocol.slice(0, -1),
      ':authority': this.#entry.host,
      ':path': path,
      'sec-websocket-version': '13',
    };
    if (protocols.length > 0) head['sec-websocket-protocol'] = protocols.join(', ');
    if (offer) head['sec-websocket-extensions'] = WebSocket.extension.format({ 'permessage-deflate': offer.offer() });
    return head;
  }

  #place() {
    let place = this.#open.find(({ streams }) => streams < STREAMS_PER_SESSION);
    if (!place) {
      place = { session: this.#session(), streams: 0 };
      this.#open.push(place);
      const forget = () => { this.#open = this.#open.filter((other) => other !== place); };
      // A session that is gone, or going, takes no more streams.
      place.session.then((session) => session.on('close', forget).on('goaway', forget), forget);
    }
    place.streams += 1;
    return place;
  }

  async #session() {
    const { url, ca } = this.#entry;
    const session = http2.connect(url, { ca, servername: 'localhost', ALPNProtocols: ['h2'] });
    session.on('error', () => {});
    session.setMaxListeners(0);
    const [settings] = await next(session, 'remoteSettings');
    if (!settings.enableConnectProtocol) throw new Error('the server does not offer extended CONNECT (RFC 8441)');
    // Large messages are to be bounded by Tidegate's windows and not by ours.
    session.setLocalWindowSize(1 << 24);
    return session;
  }
}

/** A client's WebSocket on a stream that is open. */
function socket(stream, response, offer) {
  const client = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  client._isServer = false; // without an address the library takes itself for a server, and would not mask
  client._protocol = response['sec-websocket-protocol'] ?? '';
  const extensions = response['sec-websocket-extensions'];
  if (extensions) {
    offer.accept(WebSocket.extension.parse(extensions)['permessage-deflate']);
    client._extensions['permessage-deflate'] = offer;
  }
  watchEnd(client);
  client.setSocket(stream, Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxBufferedChunks: 1 << 18,
    maxFragments: 1 << 14,
    maxPayload: 100 << 20,
    skipUTF8Validation: false,
  });
  return client;
}

module.exports = { Sessions };
