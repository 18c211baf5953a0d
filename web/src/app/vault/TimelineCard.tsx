import { useMemo } from 'preact/hooks';
import type { JournalEvent } from 'vaultcast-client';
import { Button } from '../../shared/Button.tsx';
import { Card } from '../../shared/Card.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';
import { ErrorNotice } from '../../shared/Notice.tsx';
import { Loading } from '../shell/Status.tsx';
import { Time } from '../shell/Time.tsx';
import { errorText } from '../state/errors.ts';
import { describeEvent } from '../state/sentences.ts';
import { titles } from '../state/timeline.ts';
import type { TimelineView } from './use-timeline.ts';

/** The journal of the vault, newest first. */
export function TimelineCard({ view }: { view: TimelineView }) {
  const { timeline, busy, error, loadEarlier, retry } = view;
  const { events, start } = timeline;
  const known = useMemo(() => titles(events), [events]);
  const isTrimmed = start !== undefined && start > 0 && !loadEarlier;
  return (
    <Card title="Timeline" hint="Every change, in the order of the journal" flush>
      {events.length === 0 && (busy ? <Loading /> : error === undefined && <EmptyState title="Nothing has happened yet" />)}
      <ol class="timeline" reversed>
        {events.map((event) => <TimelineRow key={event.seq} event={event} title={titleOf(event, known)} />)}
      </ol>
      {error !== undefined && (
        <div class="card__note"><ErrorNotice title="The timeline could not be loaded" actions={<Button small onClick={retry}>Try again</Button>}>{errorText(error)}</ErrorNotice></div>
      )}
      {loadEarlier && <div class="row-more"><Button small onClick={loadEarlier} disabled={busy}>Show earlier events</Button></div>}
      {isTrimmed && <p class="row-more soft">Events up to {start} are no longer kept.</p>}
    </Card>
  );
}

function titleOf(event: JournalEvent, known: ReadonlyMap<string, string>): string | undefined {
  return event.event === 'source:deleted' ? known.get(event.payload.sourceId) : undefined;
}

function TimelineRow({ event, title }: { event: JournalEvent; title: string | undefined }) {
  const { actor, action, object, rest, kind } = describeEvent(event, title);
  return (
    <li class={`timeline__item timeline__item--${kind}`} value={event.seq}>
      <span class="timeline__seq numeric">{event.seq}</span>
      <p class="timeline__text"><strong>{actor}</strong> {action} {object && <em>{object}</em>} {rest}</p>
      <span class="timeline__time"><Time at={event.payload.timestamp} /></span>
    </li>
  );
}
