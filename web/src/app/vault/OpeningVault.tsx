import type { VaultcastError } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { Notice } from '../../shared/Notice.tsx';
import { PaneTitle } from '../shell/PaneTitle.tsx';
import { RouteLink } from '../shell/RouteLink.tsx';
import { Loading } from '../shell/Status.tsx';
import { errorText } from '../state/errors.ts';

/** What is shown until the vault is known, and why that takes long. */
export function OpeningVault({ error, onRetry }: { error: VaultcastError | undefined; onRetry: () => void }) {
  return (
    <div class="stack">
      <div>
        <RouteLink to={{ page: 'vaults' }} class="back-link">← Vaults</RouteLink>
        <PaneTitle text="Opening the vault…" />
      </div>
      {error ? <Notice tone="warn" title="The vault is not open yet" actions={<Button small onClick={onRetry}>Try now</Button>}>{errorText(error)}</Notice> : <Loading />}
    </div>
  );
}
