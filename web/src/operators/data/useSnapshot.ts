import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { fetchAnswers } from './fetch.ts';
import { nextSnapshot, type Snapshot } from './snapshot.ts';
import type { SortKey } from './types.ts';

/** Time between two polls, and until the next attempt when the service does not answer. */
const POLL_INTERVAL = 5_000;
const RETRY_INTERVAL = 2_000;

/** Which vaults are shown. */
export interface VaultQuery {
  by: SortKey;
  limit: number;
  /** Part of a vault's id. All vaults are requested if it is set, because the service does not filter. */
  filter: string;
}

export type Connection = 'loading' | 'live' | 'lost' | 'paused';

export interface LiveSnapshot {
  snapshot: Snapshot | undefined;
  connection: Connection;
  /** Polls now. */
  refresh: () => void;
}

/** Polls the service while the page is visible. A snapshot stays when the service is away. */
export function useSnapshot(query: VaultQuery): LiveSnapshot {
  const [snapshot, setSnapshot] = useState<Snapshot>();
  const [connection, setConnection] = useState<Connection>('loading');
  const latest = useRef<Snapshot | undefined>(undefined);
  const poll = useRef<() => void>(() => {});
  const { by, limit } = query;
  const filtered = query.filter !== '';

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let round = 0;
    const run = async () => {
      clearTimeout(timer);
      const mine = ++round;
      let next = POLL_INTERVAL;
      try {
        let answers = await fetchAnswers({ by, limit: filtered ? undefined : limit }, latest.current?.samples.at(-1)?.time);
        // A process that started anew has samples that are not after those of the old one.
        if (latest.current && latest.current.service.startedAt !== answers.history.service.startedAt) {
          answers = await fetchAnswers({ by, limit: filtered ? undefined : limit }, undefined);
        }
        if (mine !== round) return;
        latest.current = nextSnapshot(latest.current, answers, Date.now());
        setSnapshot(latest.current);
        setConnection('live');
      } catch {
        if (mine !== round) return;
        setConnection('lost');
        next = RETRY_INTERVAL;
      }
      if (!document.hidden) timer = setTimeout(run, next);
    };
    const start = () => void run();
    const stop = () => {
      clearTimeout(timer);
      round += 1;
    };
    const onVisibility = () => {
      if (!document.hidden) return start();
      stop();
      setConnection((now) => (now === 'live' ? 'paused' : now));
    };
    poll.current = start;
    document.addEventListener('visibilitychange', onVisibility);
    start();
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      stop();
    };
  }, [by, limit, filtered]);

  return { snapshot, connection, refresh: useCallback(() => poll.current(), []) };
}
