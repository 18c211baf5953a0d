import { useEffect, useState } from 'preact/hooks';
import { basePath } from '../state/base-path.ts';

/** A user of `vaultcast demo`. */
export interface DemoUser {
  role: 'owner' | 'contributor' | 'viewer';
  id: string;
  name: string;
  email: string;
}

/** What `vaultcast demo` offers. */
export interface DemoInfo {
  vaultId: string;
  users: DemoUser[];
}

/** What the service says about the page; `demo` is null in `vaultcast serve`. */
export interface PageInfo {
  demo: DemoInfo | null;
}

const RETRY_EVERY = 2000;

/** Returns the facts about the page: undefined at first, and `unreachable` while the service does not answer. */
export function usePageInfo(): PageInfo | 'unreachable' | undefined {
  const [info, setInfo] = useState<PageInfo | 'unreachable'>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async () => {
      try {
        const response = await fetch(`${basePath}/page.json`);
        if (!response.ok) throw new Error(`HTTP status ${response.status}`);
        setInfo((await response.json()) as PageInfo);
      } catch {
        setInfo('unreachable');
        timer = setTimeout(ask, RETRY_EVERY);
      }
    };
    void ask();
    return () => clearTimeout(timer);
  }, []);
  return info;
}
