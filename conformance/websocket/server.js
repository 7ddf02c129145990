// The server behind Tidegate, over HTTP/1 and over HTTP/2 without TLS. It knows by the path which client a connection
// belongs to.
'use strict';

const http = require('node:http');
const http2 = require('node:http2');
const { WebSocketServer } = require('ws');
const { accept, over } = require('./stream');
const { next, watchEnd, within } = require('./wait');

// Compression only where the client asks for it; then also for short messages, so that it is seen.
const COMPRESSION = { threshold: 0, serverNoContextTakeover: true };

// As servers commonly have it; more need another connection of Tidegate's.
const STREAMS_PER_CONNECTION = 100;

const isRefused = (path) => path.includes('/refused');

class Server {
  #arrived = new Map();
  #wanted = new Map();

  /** Listens on both ports. */
  static async start(port, http2Port) {
    const server = new Server();
    await server.#listen(server.#http1(), port);
    await server.#listen(server.#http2(), http2Port);
    return server;
  }

  async #listen(listener, port) {
    listener.listen(port, '127.0.0.1', 4096);
    await next(listener, 'listening');
  }

  #http1() {
    const listener = http.createServer((_, response) => response.end('no WebSocket\n'));
    const handleProtocols = (offered) => [...offered].pop();
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: COMPRESSION, handleProtocols });
    listener.on('upgrade', (request, socket, head) => {
      if (isRefused(request.url)) {
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnot you');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (accepted) => {
        this.#take(request.url, { socket: watchEnd(accepted), headers: request.headers });
      });
    });
    return listener;
  }

  #http2() {
    const settings = { enableConnectProtocol: true, maxConcurrentStreams: STREAMS_PER_CONNECTION };
    const listener = http2.createServer({ settings });
    listener.on('session', (session) => session.setLocalWindowSize(1 << 24));
    listener.on('stream', (stream, headers) => {
      // What is cut is told by the WebSocket's close code.
      stream.on('error', () => {});
      if (headers[':protocol'] !== 'websocket' || isRefused(headers[':path'])) {
        stream.respond({ ':status': 403 });
        stream.end('not you');
        return;
      }
      const { deflate, field } = accept(headers['sec-websocket-extensions'], COMPRESSION);
      const protocol = headers['sec-websocket-protocol']?.split(/, */).pop();
      const answer = { ':status': 200 };
      if (protocol) answer['sec-websocket-protocol'] = protocol;
      if (field) answer['sec-websocket-extensions'] = field;
      stream.respond(answer);
      this.#take(headers[':path'], { socket: over(stream, { isServer: true, protocol, deflate }), headers });
    });
    return listener;
  }

  #take(path, end) {
    const wanted = this.#wanted.get(path);
    if (!wanted) this.#arrived.set(path, end);
    this.#wanted.delete(path);
    wanted?.(end);
  }

  /** The server's end of the connection with that path: its socket, and the request's fields. */
  end(path) {
    const arrived = this.#arrived.get(path);
    this.#arrived.delete(path);
    if (arrived) return Promise.resolve(arrived);
    const promise = new Promise((resolve) => this.#wanted.set(path, resolve));
    return within(10_000, `waiting for ${path} at the server`, promise);
  }
}

module.exports = { Server };
