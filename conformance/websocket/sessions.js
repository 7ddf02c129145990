// Clients' WebSockets over HTTP/2 (RFC 8441), by Node's HTTP/2 client.
'use strict';

const http2 = require('node:http2');
const { accepted, offer, over } = require('./stream');
const { next } = require('./wait');

// Well below what any server allows, so that no stream waits for another.
const STREAMS_PER_SESSION = 50;

class Sessions {
  #entry;
  #open = []; // promises of sessions, with the number of their streams

  constructor(entry) {
    this.#entry = entry;
  }

  async connect(path, { protocols, perMessageDeflate }) {
    const place = this.#place();
    const session = await place.session;
    const { deflate, field } = offer(perMessageDeflate);
    const stream = session.request(this.#head(path, protocols, field), { endStream: false });
    stream.on('close', () => { place.streams -= 1; });
    const [response] = await next(stream, 'response');
    if (response[':status'] !== 200) {
      stream.destroy();
      const error = new Error(`extended CONNECT was answered with ${response[':status']}`);
      throw Object.assign(error, { refused: response[':status'] });
    }
    const client = over(stream, {
      isServer: false,
      protocol: response['sec-websocket-protocol'],
      deflate: accepted(deflate, response['sec-websocket-extensions']),
    });
    return { client, response };
  }

  #head(path, protocols, extensions) {
    const head = {
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': this.#entry.url.protocol.slice(0, -1),
      ':authority': this.#entry.host,
      ':path': path,
      'sec-websocket-version': '13',
    };
    if (protocols.length > 0) head['sec-websocket-protocol'] = protocols.join(', ');
    if (extensions) head['sec-websocket-extensions'] = extensions;
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

module.exports = { Sessions };
