// Reads the journals of vaults over HTTP.

import assert from 'node:assert/strict';
import { range } from './fixtures.mjs';

/** Reads the complete journal of each vault and asserts that none has a gap. Returns a map from vault to events. */
export async function readJournals(user, vaults) {
  const journals = new Map();
  for (const vault of vaults) {
    const events = await readJournal(user, vault);
    assert.deepEqual(events.map(({ seq }) => seq), range(1, events.length));
    journals.set(vault, events);
  }
  return journals;
}

/** Reads the events of the vault after `since`, page by page, without checking them. */
export async function readJournal(user, vault, since = 0) {
  const events = [];
  for (let page; page?.length !== 0; events.push(...page)) {
    const after = events.at(-1)?.seq ?? since;
    page = (await user.get(`/api/vaults/${vault.id}/events?since=${after}&limit=500`)).expectStatus(200).body.events;
  }
  return events;
}
