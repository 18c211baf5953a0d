import type { Answers } from './snapshot.ts';
import type { Bound, Health, History, LiveVaultList, SortKey } from './types.ts';

/** The time in which the service must answer. `/readyz` may take 3 s when the database does not answer. */
const TIMEOUT = 5_000;

const request = (path: string) => fetch(path, { signal: AbortSignal.timeout(TIMEOUT), cache: 'no-store' });

async function json<T>(path: string): Promise<T> {
  const answer = await request(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json() as Promise<T>;
}

async function health(): Promise<Health> {
  const answer = await request('/readyz');
  if (answer.ok) return { ready: true };
  const { message } = (await answer.json()) as { message: string };
  return { ready: false, reason: message };
}

/** Requests everything that the page shows. Fails if one request fails. */
export async function fetchAnswers(query: { by: SortKey; limit: number | undefined }, after: string | undefined): Promise<Answers> {
  const actors = new URLSearchParams({ by: query.by, ...(query.limit !== undefined && { limit: String(query.limit) }) });
  const history = after === undefined ? '/history' : `/history?${new URLSearchParams({ after })}`;
  const [ready, live, past, { bounds }] = await Promise.all([
    health(),
    json<LiveVaultList>(`/actors?${actors}`),
    json<History>(history),
    json<{ bounds: Bound[] }>('/bounds'),
  ]);
  return { health: ready, actors: live, history: past, bounds };
}
