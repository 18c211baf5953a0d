// Events in words: `Carl Contributor added “A paper”`.
import type { JournalEvent } from 'vaultcast-client';

export interface Sentence {
  /** The user who made the change. */
  actor: string;
  /** What they did; follows the actor. */
  action: string;
  /** What it was done to, in emphasis; may be empty. */
  object: string;
  /** The rest of the sentence. */
  rest: string;
  kind: 'added' | 'changed' | 'removed';
}

/** Describes an event. `title` is the title of a deleted source, if it is known. */
export function describeEvent({ event, payload }: JournalEvent, title?: string): Sentence {
  const actor = payload.actor.userName;
  switch (event) {
    case 'source:created':
      return { actor, action: 'added', object: quote(payload.source.title), rest: '', kind: 'added' };
    case 'source:updated':
      return { actor, action: 'updated', object: quote(payload.source.title), rest: '', kind: 'changed' };
    case 'source:deleted':
      return { actor, action: 'deleted', object: title === undefined ? 'a source' : quote(title), rest: '', kind: 'removed' };
    case 'member:added':
      return { actor, action: 'added', object: payload.member.userName, rest: `as ${payload.member.role}`, kind: 'added' };
    case 'member:updated':
      return { actor, action: 'made', object: payload.member.userName, rest: `${article(payload.member.role)} ${payload.member.role}`, kind: 'changed' };
    case 'member:removed':
      if (payload.member.userId === payload.actor.userId) return { actor, action: 'left the vault', object: '', rest: '', kind: 'removed' };
      return { actor, action: 'removed', object: payload.member.userName, rest: 'from the vault', kind: 'removed' };
    case 'vault:updated':
      return { actor, action: 'renamed the vault to', object: quote(payload.vault.name), rest: '', kind: 'changed' };
    case 'vault:deleted':
      return { actor, action: 'deleted the vault', object: '', rest: '', kind: 'removed' };
    default:
      event satisfies never; // at run time it may be a kind of a later version of the service
      return { actor, action: 'changed the vault', object: '', rest: '', kind: 'changed' };
  }
}

/** Returns the whole sentence. */
export function sentenceText({ actor, action, object, rest }: Sentence): string {
  return [actor, action, object, rest].filter(Boolean).join(' ');
}

/** Returns the indefinite article of a word. */
export function article(word: string): string {
  return /^[aeiou]/i.test(word) ? 'an' : 'a';
}

function quote(text: string): string {
  return `“${text}”`;
}
