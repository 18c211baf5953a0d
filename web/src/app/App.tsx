// The app: the demo's sign-in or split view, or the pane of the signed-in user.
import { useEffect } from 'preact/hooks';
import { Button, ButtonLink } from '../shared/Button.tsx';
import { NowContext, useNow } from './shell/Time.tsx';
import { Loading, Unreachable } from './shell/Status.tsx';
import { TopBar } from './shell/TopBar.tsx';
import { useAddress } from './shell/use-address.ts';
import { type DemoInfo, usePageInfo } from './shell/use-page-info.ts';
import { useSession } from './shell/use-session.ts';
import { DemoSignIn } from './sign-in/DemoSignIn.tsx';
import { SignIn } from './sign-in/SignIn.tsx';
import { forgetToken, keepToken, storedToken } from './sign-in/token-store.ts';
import { SplitView } from './split/SplitView.tsx';
import { basePath } from './state/base-path.ts';
import { type Address, formatAddress } from './state/route.ts';
import { Workspace } from './Workspace.tsx';

export function App() {
  const info = usePageInfo();
  const demo = info === 'unreachable' ? undefined : info?.demo;
  const [address, go] = useAddress(demo?.vaultId);
  return (
    <NowContext.Provider value={useNow()}>
      {typeof info !== 'object' ? (
        <><TopBar /><main id="content" class="page">{info ? <Unreachable level={1} /> : <Loading />}</main></>
      ) : demo && address.view === 'split' ? (
        <SplitView demo={demo} address={address} go={go} />
      ) : (
        <UserApp demo={demo} address={address} go={go} />
      )}
    </NowContext.Provider>
  );
}

interface UserAppProps {
  demo: DemoInfo | null | undefined;
  address: Address;
  go: (address: Address) => void;
}

/** The app of the user that the session cookie or the stored token names. */
function UserApp({ demo, address, go }: UserAppProps) {
  const token = storedToken();
  const { session, restart, end } = useSession(token ?? '', token);
  const isSignedOut = session.state === 'signed-out';
  useEffect(() => {
    if (isSignedOut) document.title = 'Sign in · vaultcast';
  }, [isSignedOut]);

  const useToken = (value: string) => {
    keepToken(value);
    restart();
  };
  const signOut = () => {
    forgetToken();
    if (demo) location.assign(`${basePath}/demo/sign-out`);
    else restart();
  };
  return (
    <>
      <TopBar context={demo && 'Demo'}>
        {session.state === 'ready' && (
          <>
            <span class="topbar__user">{session.user.name ?? session.user.email ?? session.user.id}</span>
            {demo && <ButtonLink small href={`${basePath}/demo/split`}>Two users</ButtonLink>}
            {(demo || token) && <Button small onClick={signOut}>Sign out</Button>}
          </>
        )}
      </TopBar>
      <main id="content" class="page" tabIndex={-1}>
        {session.state === 'loading' && <Loading />}
        {session.state === 'unreachable' && <Unreachable level={1} onRetry={restart} />}
        {isSignedOut && demo && <DemoSignIn demo={demo} expired={session.expired} />}
        {isSignedOut && !demo && <SignIn expired={session.expired} refusedToken={token !== undefined} onToken={useToken} onRetry={signOut} />}
        {session.state === 'ready' && (
          <Workspace
            client={session.client}
            user={session.user}
            route={address.route}
            navigate={(route) => go({ view: 'app', route })}
            hrefOf={(route) => formatAddress({ view: 'app', route }, location.search)}
            sessionEnded={end}
            titleLevel={1}
          />
        )}
      </main>
    </>
  );
}
