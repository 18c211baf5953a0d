// The client of a pane and the user that its credential names.
import { useCallback, useEffect, useState } from 'preact/hooks';
import { connect, type ConnectOptions, type User, VaultcastError, type VaultcastClient } from 'vaultcast-client';
import { basePath } from '../state/base-path.ts';
import { transportsOf } from '../state/route.ts';

/** `signed-out` with `expired`: there was a session. `unreachable`: the service does not answer; it is tried again. */
export type Session =
  | { state: 'loading' }
  | { state: 'unreachable'; error: VaultcastError }
  | { state: 'signed-out'; expired: boolean }
  | { state: 'ready'; client: VaultcastClient; user: User };

export interface SessionControl {
  session: Session;
  /** Connects anew, as after a sign-in. */
  restart: () => void;
  /** The service refused the credential. */
  end: () => void;
}

const RETRY_EVERY = 2000;

/** Opens a client with this credential and asks for its user. Another `key` is another credential. */
export function useSession(key: string, auth: ConnectOptions['auth']): SessionControl {
  const [session, setSession] = useState<Session>({ state: 'loading' });
  const [run, setRun] = useState(0);
  useEffect(() => {
    const transports = transportsOf(location.search);
    const client = connect({ basePath, ...(auth !== undefined && { auth }), ...(transports && { socket: { transports } }) });
    const whileUnreachable = setSessionFrom(client, setSession);
    return () => {
      whileUnreachable();
      client.close();
    };
  }, [key, run]);
  const restart = useCallback(() => {
    setSession({ state: 'loading' });
    setRun((count) => count + 1);
  }, []);
  const end = useCallback(() => setSession({ state: 'signed-out', expired: true }), []);
  return { session, restart, end };
}

/** Asks for the user until the service answers. Returns a function that stops. */
function setSessionFrom(client: VaultcastClient, setSession: (session: Session) => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ask = async () => {
    try {
      const { body: user } = await client.request<User>('GET', '/api/me');
      setSession({ state: 'ready', client, user });
    } catch (error) {
      if (!(error instanceof VaultcastError)) throw error;
      if (error.code === 'CLOSED') return;
      if (error.code === 'UNAUTHORIZED') return setSession({ state: 'signed-out', expired: false });
      setSession({ state: 'unreachable', error });
      timer = setTimeout(ask, RETRY_EVERY);
    }
  };
  const unsubscribe = client.on('error', ({ code }) => code === 'UNAUTHORIZED' && setSession({ state: 'signed-out', expired: true }));
  void ask();
  return () => {
    clearTimeout(timer);
    unsubscribe();
  };
}
