import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import { absoluteTime, relativeTime } from '../state/time.ts';

const REFRESH_EVERY = 20_000;

/** The present time in milliseconds, for relative times. */
export const NowContext = createContext(0);

/** Returns the time, and renders again every 20 seconds. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), REFRESH_EVERY);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** A relative time, with the absolute one in its title. */
export function Time({ at }: { at: string }) {
  return <time dateTime={at} title={absoluteTime(at)}>{relativeTime(at, useContext(NowContext))}</time>;
}
