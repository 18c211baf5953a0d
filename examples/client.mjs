// Keeps a list of a vault's sources up to date across every interruption:
//   npm install --no-save socket.io-client && URL=http://127.0.0.1:3000 TOKEN=… VAULT=… node examples/client.mjs
// In a page of your application leave `auth` out: the browser sends the session cookie.
import { io } from 'socket.io-client';

const { URL, TOKEN, VAULT } = process.env;
const socket = io(URL, { auth: { token: TOKEN } });
const sources = new Map();
let seq; // sequence number of the last event that the list contains; undefined before the first listing
let epoch; // id of the database's history that `seq` belongs to
let listing; // the latest listing, to drop the results of an older one

const retry = (act) => setTimeout(act, 1000);
const join = () => socket.emit('vault:join', { vaultId: VAULT, since: seq, epoch });

socket.on('connect', () => (seq === undefined ? list() : join()));
socket.on('connect_error', (error) => {
  console.log('not connected:', error.message);
  if (error.message === 'UNAUTHORIZED') process.exit(1); // sign in again
  if (!socket.active) retry(() => socket.connect());
});
socket.on('disconnect', (reason) => console.log('disconnected:', reason));

socket.on('vault:joined', (joined) => {
  console.log(`joined as ${joined.role} at ${joined.seq}`);
  if (joined.resync) list(); // the missed events are no longer available
});

/** Lists all sources. The join that follows delivers the events after the first page. */
async function list() {
  const mine = (listing = {});
  seq = undefined;
  try {
    const listed = new Map();
    let first;
    for (let cursor = ''; cursor !== undefined; ) {
      const url = `${URL}/api/vaults/${VAULT}/sources${cursor && `?cursor=${cursor}`}`;
      const answer = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
      const page = await answer.json();
      if (!answer.ok) throw page;
      for (const source of page.sources) listed.set(source.id, source);
      first ??= page;
      cursor = page.nextCursor;
    }
    if (listing !== mine) return; // a newer listing is in progress
    sources.clear();
    for (const [id, source] of listed) sources.set(id, source);
    ({ seq, epoch } = first);
    console.log(`${sources.size} sources`);
    join();
  } catch ({ code, message }) {
    console.log('refused:', code, message);
    if (code !== 'ACCESS_DENIED') retry(() => listing === mine && list());
  }
}

function onEvent(event, apply) {
  socket.on(event, (payload) => {
    if (payload.seq !== seq + 1) return; // in the list already, or delivered again after the next join
    seq = payload.seq;
    apply(payload);
    console.log(`${seq}: ${payload.actor.userName} did ${event}; ${sources.size} sources`);
  });
}
onEvent('source:created', ({ source }) => sources.set(source.id, { ...source, updatedAt: source.createdAt }));
onEvent('source:updated', ({ source }) => {
  const known = sources.get(source.id); // undefined if it was deleted between two pages
  if (known) sources.set(source.id, { ...source, createdAt: known.createdAt });
});
onEvent('source:deleted', ({ sourceId }) => sources.delete(sourceId));
// All other events of the vault count in the sequence, too, also kinds that a later version adds.
socket.onAny((event, payload) => {
  if (!socket.hasListeners(event) && payload?.seq === seq + 1) seq = payload.seq;
});

socket.on('error', ({ code, message, details }) => {
  console.log('refused:', code, message, details);
  if (details?.event === 'vault:join' && code !== 'ACCESS_DENIED') retry(join);
});
