import { useEffect, useState } from 'react';
import type { VaultView } from 'vaultcast-client/react';

interface Entry {
  seq: number;
  text: string;
}

/** How many entries are shown. */
const LENGTH = 20;

/** What has happened in the vault since the page was opened, newest first, with its author. */
export function Timeline({ vault: { on } }: { vault: VaultView }) {
  const [entries, setEntries] = useState<Entry[]>([]);

  useEffect(() => {
    const add = (seq: number, text: string) => setEntries((earlier) => [{ seq, text }, ...earlier].slice(0, LENGTH));
    const removals = [
      on('source:created', ({ seq, actor, source }) => add(seq, `${actor.userName} added ${source.title}`)),
      on('source:updated', ({ seq, actor, source }) => add(seq, `${actor.userName} changed ${source.title}`)),
      on('source:deleted', ({ seq, actor }) => add(seq, `${actor.userName} removed a source`)),
      on('member:added', ({ seq, actor, member }) => add(seq, `${actor.userName} added ${member.userName} as ${member.role}`)),
      on('member:removed', ({ seq, actor, member }) => add(seq, `${actor.userName} removed ${member.userName}`)),
    ];
    return () => removals.forEach((remove) => remove());
  }, [on]);

  return (
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      {entries.length === 0 && <p className="muted">Nothing has happened yet.</p>}
      <ol>
        {entries.map(({ seq, text }) => (
          <li key={seq}>{text}</li>
        ))}
      </ol>
    </section>
  );
}
