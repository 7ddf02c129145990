// Waiting with an end.
'use strict';

const { once } = require('node:events');

const MESSAGE_LIMIT_MS = 15_000;

/** The promise's result, or a failure that names what was waited for. */
function within(limit_ms, what, promise) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for ${limit_ms} ms`)), limit_ms);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

/** The arguments of the emitter's next event of that name. */
function next(emitter, event, limit_ms = MESSAGE_LIMIT_MS) {
  return within(limit_ms, `waiting for ${event}`, once(emitter, event));
}

/** How a WebSocket ended, whether it has already or will. */
function closed(socket, limit_ms = MESSAGE_LIMIT_MS) {
  return within(limit_ms, 'waiting for the end', socket.ended);
}

/** Has `socket.ended` become its close code and reason, so that an end that comes early is not missed. */
function watchEnd(socket) {
  socket.ended = new Promise((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString(), at: performance.now() }));
  });
  // A connection that is cut is told by its close code; the error says nothing more.
  socket.on('error', () => {});
  return socket;
}

const pause = (time_ms) => new Promise((resolve) => setTimeout(resolve, time_ms));

module.exports = { closed, next, pause, watchEnd, within };
