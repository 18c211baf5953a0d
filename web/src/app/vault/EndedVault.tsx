import type { VaultcastErrorCode } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { PaneTitle } from '../shell/PaneTitle.tsx';
import { RouteLink } from '../shell/RouteLink.tsx';
import { type EndReason, endReason, endText } from '../state/ended.ts';

interface EndedVaultProps {
  reason?: EndReason;
  code?: VaultcastErrorCode | undefined;
  /** The user could read the vault before. */
  wasOpen?: boolean;
  /** The title takes the focus. */
  focus?: boolean;
  name: string;
  onRetry?: () => void;
}

/** Says why the vault is not available, and what can be done. */
export function EndedVault({ reason, code, wasOpen = false, focus = false, name, onRetry }: EndedVaultProps) {
  const { title, text, mayReturn } = endText(reason ?? endReason(code, wasOpen), name);
  return (
    <div class="empty-state" role="alert">
      <PaneTitle text={title} focus={focus} />
      <p>{text}</p>
      <div class="empty-state__actions">
        <RouteLink to={{ page: 'vaults' }} class="button button--primary">Your vaults</RouteLink>
        {mayReturn && onRetry && <Button onClick={onRetry}>Try again</Button>}
      </div>
    </div>
  );
}
