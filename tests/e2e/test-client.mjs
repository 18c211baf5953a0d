// The official Socket.IO client as a recording client. Everything that it receives is checked against the AsyncAPI document.

import { io } from 'socket.io-client';
import { checkPacket } from './contract.mjs';
import { RecordingClient } from './recording-client.mjs';

export class TestClient extends RecordingClient {
  constructor(url, options) {
    super();
    this.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options });
    this.socket.io.on('packet', checkPacket);
    this.socket.on('connect', () => this.record('connect', this.identity));
    this.socket.on('connect_error', ({ message }) => this.record('connect_error', message));
    this.socket.on('disconnect', (reason) => this.record('disconnect', reason));
    this.socket.onAny((event, ...args) => this.record(event, ...args));
  }

  /** The options of a client with this session token. */
  static credentials(token) {
    return { auth: { token } };
  }

  /** The ids of the current connection and whether it was recovered. Also the payload of a recorded `connect`. */
  get identity() {
    const { id, _pid: pid, recovered } = this.socket;
    return { id, pid, recovered: Boolean(recovered) };
  }
}
