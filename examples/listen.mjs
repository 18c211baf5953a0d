// Prints the events of the demo vault: npm install --no-save socket.io-client && node examples/listen.mjs [URL]
import { io } from 'socket.io-client';
const url = process.argv[2] ?? 'http://127.0.0.1:3000';
const response = await fetch(`${url}/demo/sign-in?as=viewer`, { redirect: 'manual' });
const cookie = response.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
const socket = io(new URL(url).origin, { extraHeaders: { cookie }, transports: ['websocket'] });
socket.on('connect', () => socket.emit('vault:join', 'cdemovault0000000000000000'));
socket.on('connect_error', (error) => console.log('connect_error', error.message));
for (const event of ['vault:joined', 'source:created', 'source:updated', 'source:deleted', 'error'])
  socket.on(event, (payload) => console.log(event, payload));
