import { useId, useState } from 'preact/hooks';
import { Button } from '../../shared/Button.tsx';
import { RegionLabel } from '../../shared/Card.tsx';
import { EmptyState } from '../../shared/EmptyState.tsx';
import { Avatar } from '../shell/Avatar.tsx';
import { Loading, Unreachable } from '../shell/Status.tsx';
import type { DemoInfo } from '../shell/use-page-info.ts';
import { useSession } from '../shell/use-session.ts';
import { basePath } from '../state/base-path.ts';
import type { Route } from '../state/route.ts';
import { Workspace } from '../Workspace.tsx';

interface SplitPaneProps {
  side: 'left' | 'right';
  demo: DemoInfo;
  role: string;
  initialRoute: Route;
  onRole: (role: string) => void;
  hrefOf: (route: Route) => string;
}

/** Asks the demo for a token of the user. Undefined, which is a signed-out user, if it has none. */
async function demoToken(role: string): Promise<string | undefined> {
  const response = await fetch(`${basePath}/demo/token?as=${encodeURIComponent(role)}`);
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  return ((await response.json()) as { token?: string }).token;
}

export function SplitPane({ side, demo, role, initialRoute, onRole, hrefOf }: SplitPaneProps) {
  const id = useId();
  const user = demo.users.find((candidate) => candidate.role === role)!;
  return (
    <section class="pane" aria-labelledby={id}>
      <div class="pane__head">
        <Avatar id={user.id} name={user.name} />
        <h2 id={id} class="pane__name"><span class="visually-hidden">{side === 'left' ? 'Left' : 'Right'}: </span>{user.name}</h2>
        <label class="visually-hidden" for={`${id}-user`}>User in the {side} pane</label>
        <select id={`${id}-user`} class="input input--small" value={role} onChange={(event) => onRole(event.currentTarget.value)}>
          {demo.users.map((candidate) => <option key={candidate.role} value={candidate.role}>{candidate.role}</option>)}
        </select>
      </div>
      <div class="pane__body">
        <RegionLabel.Provider value={id}>
          <PaneSession key={role} role={role} initialRoute={initialRoute} hrefOf={hrefOf} />
        </RegionLabel.Provider>
      </div>
    </section>
  );
}

function PaneSession({ role, initialRoute, hrefOf }: Pick<SplitPaneProps, 'role' | 'initialRoute' | 'hrefOf'>) {
  const [route, setRoute] = useState(initialRoute);
  const { session, restart } = useSession(role, () => demoToken(role));
  if (session.state === 'loading') return <Loading />;
  if (session.state === 'signed-out') return <EmptyState level={2} title="The session has ended" actions={<Button onClick={restart}>Sign in again</Button>} />;
  if (session.state !== 'ready') return <Unreachable level={2} onRetry={restart} />;
  return (
    <Workspace client={session.client} user={session.user} route={route} navigate={setRoute} hrefOf={hrefOf} sessionEnded={restart} titleLevel={2} />
  );
}
