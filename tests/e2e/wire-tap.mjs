// Decodes the bytes of one TCP connection between an Engine.IO client and its server: HTTP requests and responses one after the
// other, and WebSocket frames after an upgrade. Only complete responses count, because a client discards any other.

/** Separates the packets of a polling payload. */
const SEPARATOR = '\x1e';

export class ConnectionTap {
  #log;
  /** The requests without a response, oldest first. */
  #requests = [];
  #sid;
  #client;
  #server;

  constructor(log) {
    this.#log = log;
    this.#client = new StreamReader((head, body) => this.#handleRequest(head, body), (text) => this.#recordClient(this.#sid, text));
    this.#server = new StreamReader((head, body) => this.#handleResponse(head, body), (text) => this.#recordServer(text));
  }

  /** Takes bytes that the client sent. */
  readClient(chunk) {
    this.#client.read(chunk);
  }

  /** Takes bytes that the server sent. */
  readServer(chunk) {
    this.#server.read(chunk);
  }

  #handleRequest(head, body) {
    const [, method, target] = /^(\w+) (\S+)/.exec(head);
    const sid = new URL(target, 'http://proxy').searchParams.get('sid') ?? undefined;
    this.#requests.push({ method, sid });
    this.#sid = sid;
    if (method === 'POST') for (const packet of body.split(SEPARATOR)) this.#recordClient(sid, packet);
    return /^upgrade: *websocket/im.test(head);
  }

  #handleResponse(head, body) {
    const { method, sid } = this.#requests.shift() ?? {};
    const status = Number(head.split(' ')[1]);
    this.#sid = sid;
    if (method === 'GET' && status === 200) for (const packet of body.split(SEPARATOR)) this.#recordServer(packet);
    return status === 101;
  }

  #recordClient(sid, packet) {
    if (sid !== undefined) this.#log.recordClientPacket(sid, packet);
  }

  #recordServer(packet) {
    // The response to a handshake names the session.
    if (packet.startsWith('0{')) this.#sid = JSON.parse(packet.slice(1)).sid;
    else if (this.#sid !== undefined) this.#log.recordServerPacket(this.#sid, packet);
  }
}

/** One direction of a connection: HTTP messages, and WebSocket frames from the message on for which `onMessage` returns true. */
class StreamReader {
  #buffer = Buffer.alloc(0);
  #isWebSocket = false;
  /** The text of a fragmented message so far. */
  #fragments = [];

  constructor(onMessage, onText) {
    Object.assign(this, { onMessage, onText });
  }

  read(chunk) {
    this.#buffer = this.#buffer.length > 0 ? Buffer.concat([this.#buffer, chunk]) : chunk;
    while (this.#isWebSocket ? this.#readFrame() : this.#readMessage());
  }

  #readMessage() {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end === -1) return false;
    const head = this.#buffer.toString('latin1', 0, end);
    const body = readBody(head, this.#buffer.subarray(end + 4));
    if (!body) return false;
    this.#buffer = this.#buffer.subarray(end + 4 + body.length);
    this.#isWebSocket = this.onMessage(head, body.text);
    return true;
  }

  #readFrame() {
    const frame = readFrame(this.#buffer);
    if (!frame) return false;
    this.#buffer = this.#buffer.subarray(frame.length);
    // Continuations have the opcode 0 and texts 1; the others are control frames and binary messages.
    if (frame.opcode > 1) return true;
    this.#fragments.push(frame.payload);
    if (frame.isLast) this.onText(Buffer.concat(this.#fragments.splice(0)).toString());
    return true;
  }
}

/** Returns the body of an HTTP message and its length in bytes, or undefined if it is incomplete. */
function readBody(head, bytes) {
  if (/^transfer-encoding: *chunked/im.test(head)) return readChunkedBody(bytes);
  const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
  return bytes.length < length ? undefined : { text: bytes.toString('utf8', 0, length), length };
}

function readChunkedBody(bytes) {
  const chunks = [];
  for (let position = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', position);
    if (lineEnd === -1) return undefined;
    const size = parseInt(bytes.toString('latin1', position, lineEnd), 16);
    const [start, next] = [lineEnd + 2, lineEnd + 2 + size + 2];
    if (bytes.length < next) return undefined;
    if (size === 0) return { text: Buffer.concat(chunks).toString(), length: next };
    chunks.push(bytes.subarray(start, start + size));
    position = next;
  }
}

/** Returns the first WebSocket frame and its length in bytes, or undefined if it is incomplete. */
function readFrame(bytes) {
  if (bytes.length < 2) return undefined;
  const [isLast, opcode, isMasked] = [(bytes[0] & 0x80) !== 0, bytes[0] & 0x0f, (bytes[1] & 0x80) !== 0];
  const shortSize = bytes[1] & 0x7f;
  const sizeBytes = { 126: 2, 127: 8 }[shortSize] ?? 0;
  const start = 2 + sizeBytes + (isMasked ? 4 : 0);
  if (bytes.length < start) return undefined;
  const size = sizeBytes === 0 ? shortSize : sizeBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < start + size) return undefined;
  const payload = Buffer.from(bytes.subarray(start, start + size));
  if (isMasked) for (let index = 0; index < size; index += 1) payload[index] ^= bytes[start - 4 + (index % 4)];
  return { isLast, opcode, payload, length: start + size };
}
