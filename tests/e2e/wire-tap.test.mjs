// The tap decodes polling and WebSocket connections, however their bytes are divided.
// Independent of the database: runs once, on SQLite.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionTap } from './wire-tap.mjs';

/** Passes chunks of this size to one side of the tap. */
function feed(read, bytes, size) {
  for (let start = 0; start < bytes.length; start += size) read(bytes.subarray(start, start + size));
}

/** Returns a tap and the packets that it recorded. */
function recordingTap() {
  const packets = [];
  const record = (side) => (sid, packet) => packets.push(`${side} ${sid} ${packet}`);
  return { packets, tap: new ConnectionTap({ recordClientPacket: record('client'), recordServerPacket: record('server') }) };
}

function frame(text, { opcode = 1, isLast = true, mask } = {}) {
  const payload = Buffer.from(text);
  const size = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
  size[0] |= mask ? 0x80 : 0;
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, ...size, ...(mask ?? [])]), payload.map((byte, index) => byte ^ (mask?.[index % 4] ?? 0))]);
}

for (const size of [1, 7, 10_000]) {
  test(`the packets of polling are read from chunks of ${size} bytes`, () => {
    const { packets, tap } = recordingTap();
    const request = (text) => feed((chunk) => tap.readClient(chunk), Buffer.from(text), size);
    const respond = (text) => feed((chunk) => tap.readServer(chunk), Buffer.from(text), size);
    request('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n');
    respond('HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n0{"sid":"A"}');
    request('POST /socket.io/?EIO=4&transport=polling&sid=A HTTP/1.1\r\nContent-Length: 13\r\n\r\n40{}\x1e42["ü"]');
    respond('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    request('GET /socket.io/?EIO=4&transport=polling&sid=A HTTP/1.1\r\n\r\n');
    respond('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n40{}\r\n7\r\n\x1e42["a"\r\n1\r\n]\r\n0\r\n\r\n');
    // An incomplete response is discarded by the client.
    request('GET /socket.io/?EIO=4&transport=polling&sid=A HTTP/1.1\r\n\r\n');
    respond('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n42["b"]');
    assert.deepEqual(packets, ['client A 40{}', 'client A 42["ü"]', 'server A 40{}', 'server A 42["a"]']);
  });

  test(`the packets of a WebSocket are read from chunks of ${size} bytes`, () => {
    const { packets, tap } = recordingTap();
    const long = `42["${'x'.repeat(300)}"]`;
    feed((chunk) => tap.readClient(chunk), Buffer.from('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n'), size);
    const upgrade = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n');
    feed((chunk) => tap.readServer(chunk), Buffer.concat([upgrade, frame('0{"sid":"B"}'), frame('', { opcode: 9 })]), size);
    feed((chunk) => tap.readClient(chunk), Buffer.concat([frame('40{}', { mask: [1, 2, 3, 4] }), frame(long, { mask: [9, 8, 7, 6] })]), size);
    feed((chunk) => tap.readServer(chunk), Buffer.concat([frame('42["a', { isLast: false }), frame('b"]', { opcode: 0 }), frame(long)]), size);
    assert.deepEqual(packets, ['client B 40{}', `client B ${long}`, 'server B 42["ab"]', `server B ${long}`]);
  });
}
