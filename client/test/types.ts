// Type checks: this file compiles exactly if the public types are as documented. It is never run.
import { connect, type Source, VaultcastError, type VaultSnapshot } from 'vaultcast-client';

const client = connect({ url: 'https://vaults.example.com', auth: async ({ refused }) => (refused ? null : 'token') });
const vault = client.vault('c0000000000');

vault.on('source:created', ({ source, actor, seq, timestamp }) => {
  const text: string = source.title + actor.userName + timestamp;
  const number: number = seq;
  // @ts-expect-error: `source:created` has no `updatedAt`
  source.updatedAt;
});
vault.on('source:deleted', ({ sourceId }) => sourceId.length);
vault.on('member:removed', ({ member }) => member.role === 'viewer');
vault.on('reconnect', (attemptNumber: number) => attemptNumber);
vault.on('error', ({ code }) => code === 'ACCESS_DENIED' || code === 'VAULT_DELETED');
// @ts-expect-error: no such event
vault.on('source:moved', () => {});
// @ts-expect-error: no such code
vault.on('error', ({ code }) => code === 'NO_SUCH_CODE');

const snapshot: VaultSnapshot = vault.getSnapshot();
// @ts-expect-error: snapshots are immutable
snapshot.sources = [];
// @ts-expect-error: snapshots are immutable
snapshot.sources.push({} as Source);
// @ts-expect-error: a source needs a fileUrl
void vault.create({ title: 'a' });
// @ts-expect-error: a title cannot be cleared
void vault.update('c0000000000', { title: null });
void vault.update('c0000000000', { fileKey: null }).then(({ source, seq }) => vault.waitForSeq(seq).then(() => source.id));
void vault.remove('c0000000000').catch((error: unknown) => error instanceof VaultcastError && error.details);
