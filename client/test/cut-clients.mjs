// Clients that read and write one vault while their connections are cut. Runs in Node and in a browser.

/** The number of sources above which a writer removes one. */
const MAX_SOURCES = 6;

/** Starts a client with writers, and records what it publishes. `onConnect` and `onDisconnect` are called for its connections. */
export function startClient({ connect, vaultId, writers, name, onConnect, onDisconnect, onError, ...options }) {
  const client = connect(options);
  const vault = client.vault(vaultId);
  const record = { name, published: [], applied: [], created: [], problems: [] };
  vault.subscribe(() => inspect(vault.getSnapshot(), record, writers === 0));
  vault.on('connect', () => onConnect(client.socket.recovered));
  vault.on('disconnect', onDisconnect);
  for (const event of ['source:created', 'source:updated', 'source:deleted', 'member:added', 'member:updated', 'member:removed']) {
    vault.on(event, ({ seq }) => {
      record.applied.push(seq);
      if (vault.getSnapshot().seq !== seq) record.problems.push(`${event} ${seq} was emitted while the snapshot was at ${vault.getSnapshot().seq}`);
    });
  }
  let isRunning = true;
  const done = Promise.all(Array.from({ length: writers }, (_, number) => write(`${name}.${number}`, vault, record, () => isRunning)));
  done.catch(onError);
  return {
    client,
    vault,
    record,
    /** Lets the writers finish their mutations. */
    async stop() {
      isRunning = false;
      await done;
    },
    /** Waits until the snapshot is live and includes event `seq` and every own change. */
    async settle(seq) {
      await vault.waitForSeq(seq);
      await new Promise((resolve) => {
        const check = () => {
          const { status, pending } = vault.getSnapshot();
          if (status === 'live' && pending.length === 0) resolve();
        };
        vault.subscribe(check);
        check();
      });
    },
  };
}

/** Records a published state. That of a client that writes includes its own changes, so only that of a reader existed at the service. */
function inspect(snapshot, record, isReader) {
  if (snapshot.status === 'loading') return;
  if (snapshot.status === 'ended') return void record.problems.push(`ended: ${snapshot.error}`);
  const ids = snapshot.sources.map(({ id }) => id);
  if (new Set(ids).size < ids.length) record.problems.push(`a source is shown twice at ${snapshot.seq}`);
  if (snapshot.role !== 'owner') record.problems.push(`the role is ${snapshot.role} at ${snapshot.seq}`);
  if (isReader && record.published.at(-1)?.seq !== snapshot.seq) record.published.push({ seq: snapshot.seq, digest: digest(snapshot) });
}

/** Creates, updates and removes sources, and asserts what the snapshot shows in between. */
async function write(writer, vault, record, isRunning) {
  const titles = () => vault.getSnapshot().sources.map(({ title }) => title);
  const ids = [];
  for (let number = 0; isRunning(); number += 1) {
    const title = `${writer}.${number}`;
    const id = ids[number % ids.length];
    if (ids.length > MAX_SOURCES) {
      ids.splice(ids.indexOf(id), 1);
      const removed = vault.remove(id);
      if (vault.getSnapshot().sources.some((source) => source.id === id)) record.problems.push(`${id} is shown after its removal`);
      await removed;
    } else if (id && number % 3 > 0) {
      const updated = vault.update(id, { title, fileKey: number % 2 ? title : null });
      const isShown = titles().includes(title) || !vault.getSnapshot().sources.some((source) => source.id === id);
      if (!isShown) record.problems.push(`the update ${title} is not shown`);
      await updated;
    } else {
      record.created.push(title);
      const created = vault.create({ title, fileUrl: 'https://files.example.com/paper.pdf', fileKey: 'a key' });
      if (vault.getSnapshot().status !== 'loading' && !titles().includes(title)) record.problems.push(`the new source ${title} is not shown`);
      const { source } = await created;
      if (source.title !== title) record.problems.push(`${title} was answered with ${source.title}`);
      ids.push(source.id);
    }
  }
}

/** Returns a number that differs for different states. */
export function digest({ name, sources, members }) {
  const fields = ['id', 'title', 'fileUrl', 'fileKey', 'fileSize', 'mimeType', 'vaultId', 'createdAt', 'updatedAt'];
  const rows = [sources.map((source) => fields.map((field) => source[field])), members.map(({ userId, userName, role }) => [userId, userName, role])];
  const text = JSON.stringify([name, ...rows]);
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  return hash >>> 0;
}
