// Refusals and failures in words.
import { VaultcastError, type FieldError } from 'vaultcast-client';

/** The messages of a form: by field, and one for the whole. */
export interface FormErrors {
  fields: Readonly<Record<string, string>>;
  form: string | undefined;
}

export const NO_ERRORS: FormErrors = { fields: {}, form: undefined };

/** Returns the messages of an error for a form with these fields. Messages about other fields go to the form. */
export function formErrors(error: unknown, names: readonly string[]): FormErrors {
  const details = error instanceof VaultcastError && error.code === 'VALIDATION_FAILED' ? error.details : undefined;
  if (!Array.isArray(details)) return { fields: {}, form: errorText(error) };
  const list = details as FieldError[];
  const own = list.filter(({ field }) => names.includes(field));
  const others = list.filter(({ field }) => !names.includes(field));
  return {
    fields: Object.fromEntries(own.map(({ field, message }) => [field, sentence(message)])),
    form: others.length > 0 ? others.map(({ field, message }) => `${field} ${message}`).join('; ') : undefined,
  };
}

/** Returns what an error means to the user. */
export function errorText(error: unknown): string {
  if (!(error instanceof VaultcastError)) return 'Something went wrong. Try again.';
  switch (error.code) {
    case 'LAST_OWNER':
      return 'A vault keeps at least one owner. Make another member an owner first.';
    case 'INSUFFICIENT_PERMISSIONS':
      return 'Your role does not allow this.';
    case 'ACCESS_DENIED':
      return 'You are not a member of this vault.';
    case 'UNAUTHORIZED':
      return 'Your session has ended. Sign in again.';
    case 'NETWORK_ERROR':
      return error.outcomeUnknown ? 'The service did not answer. The change may have been made.' : 'The service does not answer.';
    case 'UNAVAILABLE':
    case 'AUTHENTICATION_FAILED':
      return 'The service is restarting or its database is not available. Try again in a moment.';
    case 'VAULT_BUSY':
      return 'The vault is busy. Try again in a moment.';
    case 'RATE_LIMITED':
      return 'Too many requests. Wait a moment, then try again.';
    case 'NOT_FOUND':
      return 'It no longer exists.';
    default:
      return sentence(error.message);
  }
}

/** Returns the message of a refused new member. */
export function memberErrorText(error: unknown): string {
  if (!(error instanceof VaultcastError)) return errorText(error);
  if (error.code === 'NOT_FOUND') return 'No user with this email has signed in yet. Add them by user ID instead.';
  if (error.code === 'CONFLICT') return 'This user is a member already, or several users have this email.';
  return errorText(error);
}

/** Returns the text with a capital letter and a full stop. */
function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
