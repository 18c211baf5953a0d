// Requests to the service's HTTP routes.
import type { MemberPage, Problem, SourcePage, Vault } from './generated.js';
import type { VaultState } from './reducer.js';
import type { Tokens } from './tokens.js';
import { VaultcastError } from './types.js';

const TIMEOUT = 15_000;

/** An answer of the service. */
export interface Answer<Body> {
  body: Body;
  /** The number of the mutation's event; 0 without one. */
  seq: number;
}

export interface Listing {
  state: VaultState;
  /** The events up to this one make the state exact. */
  consistentAt: number;
}

export class Http {
  readonly #url: string;
  readonly #tokens: Tokens;
  readonly #pageSize: number;
  readonly #closed = new AbortController();

  constructor(url: string, tokens: Tokens, pageSize: number) {
    this.#url = url;
    this.#tokens = tokens;
    this.#pageSize = pageSize;
  }

  /** Rejects requests in progress, and all later ones, with `CLOSED`. */
  close(): void {
    this.#closed.abort();
  }

  /** Resolves after a delay, or when the client is closed. */
  pause(milliseconds: number): Promise<void> {
    const { signal } = this.#closed;
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      signal.addEventListener('abort', end);
    });
  }

  /** Sends a request, and once more with a new token if the service refuses the first one. Rejects with a `VaultcastError`. */
  async send<Body>(method: string, path: string, body?: object, key?: string): Promise<Answer<Body>> {
    const token = await this.#guard(() => this.#tokens.get(), false);
    let response = await this.#attempt(token, method, path, body, key);
    if (response.status === 401) {
      const renewed = await this.#guard(() => this.#tokens.renew(token), false);
      if (renewed) response = await this.#attempt(renewed, method, path, body, key);
    }
    if (!response.ok) throw await refusal(response);
    const answer = response.status === 204 ? undefined : await this.#guard(() => response.json());
    return { body: answer as Body, seq: Number(response.headers.get('x-vault-seq')) };
  }

  /**
   * Reads the whole vault. The requests see different states; the listing starts with the earliest. The answer with the name does not
   * have an epoch: it is read after pages that do, and the join confirms that the epoch is still the same.
   */
  async list(vaultId: string): Promise<Listing> {
    const path = `/api/vaults/${encodeURIComponent(vaultId)}`;
    const [sources, members] = await Promise.all([this.#pages<SourcePage>(`${path}/sources`), this.#pages<MemberPage>(`${path}/members`)]);
    const vault = await this.send<Vault>('GET', path);
    const pages = [...sources, ...members];
    const epoch = pages[0]?.epoch ?? '';
    if (pages.some((page) => page.epoch !== epoch)) {
      throw new VaultcastError('NETWORK_ERROR', 'A backup was restored while the vault was listed', { temporary: true });
    }
    const seqs = [vault.body.seq, ...pages.map(({ seq }) => seq)];
    const state: VaultState = {
      seq: Math.min(...seqs),
      epoch,
      name: vault.body.name,
      sources: sources.flatMap((page) => page.sources),
      members: members.flatMap((page) => page.members).map(({ userId, userName, role }) => ({ userId, userName, role })),
    };
    return { state, consistentAt: Math.max(...seqs) };
  }

  async #pages<Page extends { nextCursor?: string }>(path: string): Promise<Page[]> {
    const pages: Page[] = [];
    let cursor: string | undefined;
    do {
      const after: string = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await this.send<Page>('GET', `${path}?limit=${this.#pageSize}${after}`);
      pages.push(body);
      cursor = body.nextCursor;
    } while (cursor !== undefined);
    return pages;
  }

  #attempt(token: string | undefined, method: string, path: string, body?: object, key?: string): Promise<Response> {
    const headers: Record<string, string> = {};
    if (token) headers['authorization'] = `Bearer ${token}`;
    if (body) headers['content-type'] = 'application/json';
    if (key) headers['idempotency-key'] = key;
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(TIMEOUT)]);
    const init: RequestInit = { method, headers, credentials: 'include', signal };
    if (body) init.body = JSON.stringify(body);
    return this.#guard(() => fetch(this.#url + path, init));
  }

  /** Turns a failure without an answer into a `VaultcastError`. */
  async #guard<T>(action: () => Promise<T>, outcomeUnknown = true): Promise<T> {
    try {
      return await action();
    } catch (error) {
      if (this.#closed.signal.aborted) throw new VaultcastError('CLOSED', 'The client is closed', { outcomeUnknown });
      throw new VaultcastError('NETWORK_ERROR', String(error), { temporary: true, outcomeUnknown });
    }
  }
}

/** Reads the error of an answer. An answer that is not the service's, such as a proxy's 502, says nothing about the outcome. */
async function refusal(response: Response): Promise<VaultcastError> {
  const { status } = response;
  const problem = (await response.json().catch(() => undefined)) as Partial<Problem> | undefined;
  const retryAfter = Number(response.headers.get('retry-after')) * 1000 || 0;
  if (typeof problem?.code !== 'string') {
    return new VaultcastError('NETWORK_ERROR', `HTTP status ${status}`, { status, temporary: true, outcomeUnknown: true, retryAfter });
  }
  const { code, message = code, details } = problem;
  // 502 and 504 come from a proxy, with an error of its own (deploy/nginx.conf): the service may have made the change.
  const isOfProxy = status === 502 || status === 504;
  const temporary = status === 429 || status === 503 || isOfProxy;
  const outcomeUnknown = isOfProxy || (details !== undefined && 'outcome' in details);
  return new VaultcastError(code, message, { details, status, temporary, outcomeUnknown, retryAfter });
}
