import { useEffect, useState } from 'preact/hooks';
import { type EventPage, type SyncedVault, VaultcastError } from 'vaultcast-client';
import { useVaultcast } from 'vaultcast-client/react';
import { earlier, EMPTY, missing, type PageRequest, type Timeline, trimmedAt, withEvents } from '../state/timeline.ts';
import { useVaultEvents } from './use-vault-events.ts';

export interface TimelineView {
  timeline: Timeline;
  busy: boolean;
  error: unknown;
  /** Loads the page before the oldest event; undefined if there is none. */
  loadEarlier: (() => void) | undefined;
  retry: () => void;
}

/** Returns the newest events of the vault's journal: live ones as they arrive, the others page by page. */
export function useTimeline(vault: SyncedVault, { status, seq, epoch }: { status: string; seq: number; epoch: string }): TimelineView {
  const client = useVaultcast();
  const [timeline, setTimeline] = useState(EMPTY);
  const [earlierPage, setEarlierPage] = useState<PageRequest>();
  const [progress, setProgress] = useState<{ busy: boolean; error: unknown; run: number }>({ busy: false, error: undefined, run: 0 });
  useVaultEvents(vault, (event) => setTimeline((before) => withEvents(before, vault.getSnapshot().epoch, [event])));

  const isLive = status === 'live';
  const wanted = isLive ? (missing(timeline, { epoch, seq }) ?? earlierPage) : undefined;
  useEffect(() => {
    if (!wanted) return;
    let isCurrent = true;
    const load = async () => {
      setProgress(({ run }) => ({ busy: true, error: undefined, run }));
      let error: unknown;
      try {
        const query = `since=${wanted.since}&limit=${wanted.limit}`;
        const { body } = await client.request<EventPage>('GET', `/api/vaults/${encodeURIComponent(vault.id)}/events?${query}`);
        // Also if a live event has changed what is wanted meanwhile. An answer from before a restored backup is void.
        if (body.epoch === vault.getSnapshot().epoch) setTimeline((before) => withEvents(before, body.epoch, body.events));
      } catch (cause) {
        const start = trimmedStart(cause);
        if (start === undefined) error = cause;
        else if (isCurrent) setTimeline((before) => trimmedAt(before.epoch === epoch ? before : { ...EMPTY, epoch }, start));
      }
      if (!isCurrent) return;
      if (error === undefined) setEarlierPage(undefined);
      setProgress(({ run }) => ({ busy: false, error, run }));
    };
    void load();
    return () => {
      isCurrent = false;
      setProgress(({ error, run }) => ({ busy: false, error, run }));
    };
  }, [vault, wanted?.since, wanted?.limit, progress.run]);

  const next = earlier(timeline);
  return {
    timeline,
    busy: progress.busy,
    error: wanted && progress.error,
    loadEarlier: next && (() => setEarlierPage(next)),
    retry: () => setProgress(({ run }) => ({ busy: true, error: undefined, run: run + 1 })),
  };
}

/** Returns where a trimmed journal begins, if the error says so. */
function trimmedStart(error: unknown): number | undefined {
  if (!(error instanceof VaultcastError) || error.code !== 'JOURNAL_TRIMMED') return undefined;
  const { details } = error;
  return details && 'since' in details && typeof details.since === 'number' ? details.since : undefined;
}
