// Why a vault is not available, in words.
import type { VaultcastErrorCode } from 'vaultcast-client';

export type EndReason = 'invalid' | 'deleted' | 'removed' | 'no-access' | 'other';

/** Whether the text has the form of a vault's id. */
export function isVaultId(text: string): boolean {
  return /^c[a-z0-9]{8,31}$/.test(text);
}

/** Returns the reason for an error code. `wasOpen`: the user could read the vault before. */
export function endReason(code: VaultcastErrorCode | undefined, wasOpen: boolean): EndReason {
  switch (code) {
    case 'VAULT_DELETED':
      return 'deleted';
    case 'INVALID_VAULT_ID':
      return 'invalid';
    case 'ACCESS_DENIED':
    case 'NOT_FOUND':
      return wasOpen ? 'removed' : 'no-access';
    default:
      return 'other';
  }
}

interface EndText {
  title: string;
  text: string;
  /** Whether the user may become able to read the vault. */
  mayReturn: boolean;
}

/** Returns what the page says. `name` is the name of the vault, if it was known. */
export function endText(reason: EndReason, name: string): EndText {
  const vault = name ? `“${name}”` : 'the vault';
  switch (reason) {
    case 'invalid':
      return { title: 'This is not a vault ID', text: 'The ID in the address is missing or misspelled. Open one of your vaults instead.', mayReturn: false };
    case 'deleted':
      return { title: 'This vault was deleted', text: `An owner has deleted ${vault} with all its sources.`, mayReturn: false };
    case 'removed':
      return { title: 'You are no longer a member of this vault', text: `An owner has removed you from ${vault}. If they add you again, try again here.`, mayReturn: true };
    case 'no-access':
      return { title: 'You cannot open this vault', text: 'It does not exist, or you are not one of its members. Ask an owner to add you.', mayReturn: true };
    case 'other':
      return { title: 'This vault is not available', text: 'The service has ended the subscription.', mayReturn: true };
  }
}
