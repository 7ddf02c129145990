// A way through Tidegate: a listener, the protocol that is spoken there, and by the path's start the kind of server.
'use strict';

const WebSocket = require('ws');
const { Sessions } = require('./sessions');
const { next, watchEnd } = require('./wait');

let serial = 0;

class Entry {
  /** From `NAME=URL`; `ws` and `wss` are HTTP/1, `http` and `https` HTTP/2. */
  static of(text, ca, server) {
    const [name, url] = text.split(/=(.*)/);
    return new Entry(name, new URL(url), ca, server);
  }

  constructor(name, url, ca, server) {
    Object.assign(this, { name, url, ca, server });
    this.isHttp2 = url.protocol.startsWith('http');
    this.prefix = url.pathname === '/' ? '' : url.pathname;
    // The name in the certificate; the address is given so that nobody looks it up.
    this.host = `localhost:${url.port}`;
    this.sessions = this.isHttp2 ? new Sessions(this) : null;
  }

  /** The same way in, without the sessions that are open. */
  fresh() {
    return new Entry(this.name, this.url, this.ca, this.server);
  }

  /**
   * A connection with both its ends: `client` and `server` are WebSockets, `request` are the fields that the server
   * saw, `response` those that the client saw.
   */
  async open({ path = '/case', ...options } = {}) {
    serial += 1;
    const unique = `${path}/${serial}`;
    const [{ client, response }, { socket, headers }] = await Promise.all([
      this.connect(unique, options),
      this.server.end(this.prefix + unique),
    ]);
    return { client, response, server: socket, request: headers };
  }

  /** The client's end alone; fails with `refused` set to status and body if there is no WebSocket. */
  connect(path, { protocols = [], perMessageDeflate = false } = {}) {
    if (this.isHttp2) return this.sessions.connect(this.prefix + path, { protocols, perMessageDeflate });
    return this.#connectHttp1(this.prefix + path, protocols, perMessageDeflate);
  }

  async #connectHttp1(path, protocols, perMessageDeflate) {
    const client = new WebSocket(new URL(path, this.url), protocols, {
      ca: this.ca,
      servername: 'localhost',
      headers: { host: this.host },
      handshakeTimeout: 10_000,
      perMessageDeflate,
    });
    watchEnd(client);
    let response;
    client.on('upgrade', ({ headers }) => { response = headers; });
    const refused = new Promise((_, reject) => {
      client.on('unexpected-response', async (request, { statusCode, ...answer }) => {
        reject(Object.assign(new Error(`the upgrade was answered with ${statusCode}`), { refused: statusCode }));
        request.destroy();
      });
    });
    await Promise.race([next(client, 'open'), refused]);
    return { client, response };
  }
}

module.exports = { Entry };
