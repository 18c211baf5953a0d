import { useRef, useState } from 'preact/hooks';
import type { JournalEvent, SyncedVault } from 'vaultcast-client';
import { usePane } from '../shell/pane-context.ts';
import { article, describeEvent, sentenceText } from '../state/sentences.ts';
import { useVaultEvents } from './use-vault-events.ts';

/**
 * Notifies the user of the changes of others, and returns the event that changed each source last while the page was open. The events of
 * an absence are not notified one by one (`isReturning`): the connection says how many there were.
 */
export function useVaultNews(vault: SyncedVault, isReturning: boolean): ReadonlyMap<string, number> {
  const { user, notify } = usePane();
  const [changed, setChanged] = useState<ReadonlyMap<string, number>>(new Map());
  // The titles of sources until now, so that the notification of a deletion can name its source.
  const titles = useRef(new Map<string, string>());
  for (const { id, title } of vault.getSnapshot().sources) titles.current.set(id, title);

  useVaultEvents(vault, (event) => {
    const { payload } = event;
    if (event.event === 'source:created' || event.event === 'source:updated') {
      const { id } = event.payload.source;
      setChanged((before) => new Map(before).set(id, event.seq));
    }
    // The page itself shows the user's own changes, and that the user was removed.
    const isOwnRemoval = event.event === 'member:removed' && event.payload.member.userId === user.id;
    if (payload.actor.userId !== user.id && !isOwnRemoval && !isReturning) notify(newsText(event, user.id, titles.current));
  });
  return changed;
}

function newsText(event: JournalEvent, userId: string, titles: ReadonlyMap<string, string>): string {
  const { payload } = event;
  if (event.event === 'member:updated' && event.payload.member.userId === userId) {
    const { role } = event.payload.member;
    return `${payload.actor.userName} made you ${article(role)} ${role}`;
  }
  const title = event.event === 'source:deleted' ? titles.get(event.payload.sourceId) : undefined;
  return sentenceText(describeEvent(event, title));
}
