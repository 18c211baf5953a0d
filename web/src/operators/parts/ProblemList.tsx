import { Badge } from '../../shared/Badge.tsx';
import { Card } from '../../shared/Card.tsx';
import { problems } from '../data/problems.ts';
import type { Snapshot } from '../data/snapshot.ts';

/** What an operator should look at, in plain words. Nothing is "all clear" while the service does not answer (`isOld`). */
export function ProblemList({ snapshot, isOld }: { snapshot: Snapshot; isOld: boolean }) {
  const found = problems(snapshot);
  if (isOld && found.length === 0) return null;
  return (
    <Card title="What needs attention" class="problems" flush={found.length > 0}>
      {found.length === 0 ? (
        <p class="problems__none">
          <Badge tone="good">All clear</Badge> No queue is full, no thread is stalled, and no bound was reached in the last minute.
        </p>
      ) : (
        <ul>
          {found.map(({ id, tone, title, detail }) => (
            <li key={id} class={`problem problem--${tone}`}>
              <Badge tone={tone}>{tone === 'bad' ? 'Problem' : 'Warning'}</Badge>
              <div>
                <strong>{title}</strong>
                <p>{detail}</p>
              </div>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
