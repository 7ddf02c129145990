// The server behind Tidegate. It knows by the path which client a connection belongs to.
'use strict';

const http = require('node:http');
const { WebSocketServer } = require('ws');
const { next, watchEnd, within } = require('./wait');

class Server {
  #arrived = new Map();
  #wanted = new Map();

  static async start(port) {
    const server = new Server();
    const listener = http.createServer((_, response) => response.end('no WebSocket\n'));
    // Compression only where the client asks for it; then also for short messages, so that it is seen.
    const compression = { threshold: 0, serverNoContextTakeover: true };
    const chosen = (offered) => [...offered].pop();
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: compression, handleProtocols: chosen });
    listener.on('upgrade', (request, socket, head) => {
      if (request.url.startsWith('/refused')) {
        socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nConnection: close\r\n\r\nnot you');
        return;
      }
      sockets.handleUpgrade(request, socket, head, (accepted) => server.#take(request, watchEnd(accepted)));
    });
    listener.listen(port, '127.0.0.1', 4096);
    await next(listener, 'listening');
    return server;
  }

  #take(request, socket) {
    const end = { socket, headers: request.headers };
    const wanted = this.#wanted.get(request.url);
    if (!wanted) this.#arrived.set(request.url, end);
    this.#wanted.delete(request.url);
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
