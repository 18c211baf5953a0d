import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Address, formatAddress, parseAddress } from '../state/route.ts';

/** Returns what the address bar shows, and a function that goes to another address. */
export function useAddress(demoVaultId: string | undefined): [Address, (address: Address) => void] {
  const [href, setHref] = useState(location.href);
  useEffect(() => {
    const update = () => setHref(location.href);
    addEventListener('popstate', update);
    return () => removeEventListener('popstate', update);
  }, []);
  const address = useMemo(() => parseAddress(location.pathname, location.search, demoVaultId), [href, demoVaultId]);
  const go = (next: Address) => {
    history.pushState(null, '', formatAddress(next, location.search));
    scrollTo(0, 0);
    setHref(location.href);
  };
  return [address, go];
}
