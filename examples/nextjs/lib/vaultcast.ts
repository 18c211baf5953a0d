// Requests of server components and server actions to vaultcast, in the name of the signed-in user.

import 'server-only';
import { cookies } from 'next/headers';
import { VaultcastError, connect } from 'vaultcast-client';

/** The prefix of vaultcast's HTTP routes (`server.base_path`): the application's own routes keep their paths. */
export const BASE_PATH = '/v1';

/** The names under which Auth.js keeps the session, with TLS and without. */
const SESSION_COOKIES = ['__Secure-authjs.session-token', 'authjs.session-token'];

export interface VaultSummary {
  id: string;
  name: string;
}

/** Returns the session token of the request: the value of the cookie, whose chunks are joined. */
async function sessionToken(): Promise<string> {
  const all = (await cookies()).getAll();
  for (const name of SESSION_COOKIES) {
    const whole = all.find((cookie) => cookie.name === name);
    if (whole) return whole.value;
    const chunks = all.filter((cookie) => cookie.name.startsWith(`${name}.`));
    if (chunks.length > 0) return chunks.toSorted((a, b) => chunkNumber(a.name) - chunkNumber(b.name)).map(({ value }) => value).join('');
  }
  throw new VaultcastError('UNAUTHORIZED', 'the request has no session', { status: 401 });
}

const chunkNumber = (name: string): number => Number(name.slice(name.lastIndexOf('.') + 1));

/** Sends a request to vaultcast with the session of the present request, and returns the body of the answer. */
async function request<T>(method: string, path: string, body?: object): Promise<T> {
  const client = connect({ url: process.env.VAULTCAST_URL ?? 'http://127.0.0.1:3000', basePath: BASE_PATH, auth: await sessionToken() });
  try {
    return (await client.request<T>(method, path, body)).body;
  } finally {
    client.close();
  }
}

/** Returns the vaults of the user, oldest first. */
export async function listVaults(): Promise<VaultSummary[]> {
  const { vaults } = await request<{ vaults: VaultSummary[] }>('GET', '/api/vaults');
  return vaults;
}

/** Returns a vault, or undefined if the user may not see it. */
export async function findVault(id: string): Promise<VaultSummary | undefined> {
  try {
    return await request<VaultSummary>('GET', `/api/vaults/${encodeURIComponent(id)}`);
  } catch (error) {
    if (error instanceof VaultcastError && [400, 403, 404].includes(error.status)) return undefined;
    throw error;
  }
}

/** Creates a vault, whose owner is the user. */
export function createVault(name: string): Promise<VaultSummary> {
  return request('POST', '/api/vaults', { name });
}

/** Adds a user to a vault by the id of the user in this application. The user may sign in later. */
export function addMember(vaultId: string, userId: string, role: string): Promise<unknown> {
  return request('POST', `/api/vaults/${encodeURIComponent(vaultId)}/members`, { userId, role });
}
