'use server';

import { VaultcastError } from 'vaultcast-client';
import { addMember } from '../../lib/vaultcast.ts';

/** Adds a user of this application to a vault. Returns why it failed. */
export async function addMemberAction(vaultId: string, form: FormData): Promise<string | undefined> {
  try {
    await addMember(vaultId, String(form.get('userId')), String(form.get('role')));
    return undefined;
  } catch (error) {
    if (error instanceof VaultcastError) return error.message;
    throw error;
  }
}
