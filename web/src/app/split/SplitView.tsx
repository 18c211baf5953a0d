// Two users of the demo side by side, each with a connection and a token of its own.
import { useEffect } from 'preact/hooks';
import { ButtonLink } from '../../shared/Button.tsx';
import { TopBar } from '../shell/TopBar.tsx';
import type { DemoInfo } from '../shell/use-page-info.ts';
import { basePath } from '../state/base-path.ts';
import { type Address, formatAddress } from '../state/route.ts';
import { SplitPane } from './SplitPane.tsx';

type SplitAddress = Extract<Address, { view: 'split' }>;

interface SplitViewProps {
  demo: DemoInfo;
  address: SplitAddress;
  go: (address: Address) => void;
}

const SIDES = ['left', 'right'] as const;

export function SplitView({ demo, address, go }: SplitViewProps) {
  useEffect(() => void (document.title = 'Two users · vaultcast'), []);
  const roleOf = (side: 'left' | 'right') => (demo.users.some(({ role }) => role === address[side]) ? address[side] : demo.users[0]!.role);
  return (
    <div class="split-page">
      <TopBar context="Demo">
        <ButtonLink small href={`${basePath}/`}>One user</ButtonLink>
      </TopBar>
      <main id="content" class="split" tabIndex={-1}>
        <h1 class="visually-hidden">Two users side by side</h1>
        {SIDES.map((side) => (
          <SplitPane
            key={side}
            side={side}
            demo={demo}
            role={roleOf(side)}
            initialRoute={address.route}
            onRole={(role) => go({ ...address, [side]: role })}
            hrefOf={(route) => formatAddress({ ...address, route }, location.search)}
          />
        ))}
      </main>
    </div>
  );
}
