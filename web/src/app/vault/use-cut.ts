import { useLayoutEffect, useState } from 'preact/hooks';
import type { VaultcastClient } from 'vaultcast-client';

/** How long a cut lasts, in milliseconds: long enough to make some changes as another user. */
const CUT_FOR = 15_000;

export interface Cut {
  /** The seconds until the connection is opened again; undefined without a cut. */
  seconds: number | undefined;
  cut: () => void;
  restore: () => void;
}

/** Cuts the connection: closes the transport, and opens no other one until the time is over. */
export function useCut(client: VaultcastClient): Cut {
  const [until, setUntil] = useState<number>();
  const [now, setNow] = useState(0);
  // Before the bar says so.
  useLayoutEffect(() => {
    if (until === undefined) return;
    client.socket?.io.reconnection(false);
    client.socket?.io.engine.close();
    const tick = () => (Date.now() < until ? setNow(Date.now()) : setUntil(undefined));
    const timer = setInterval(tick, 250);
    return () => {
      clearInterval(timer);
      client.socket?.io.reconnection(true);
      client.connect();
    };
  }, [until, client]);
  const cut = () => {
    const start = Date.now();
    setNow(start);
    setUntil(start + CUT_FOR);
  };
  const seconds = until === undefined ? undefined : Math.max(1, Math.ceil((until - now) / 1000));
  return { seconds, cut, restore: () => setUntil(undefined) };
}
