import { useState } from 'preact/hooks';
import { Button } from '../../shared/Button.tsx';
import { Card } from '../../shared/Card.tsx';
import { Field } from '../shell/Field.tsx';

interface SignInProps {
  /** There was a session until now. */
  expired: boolean;
  /** The service refused a token of this form. */
  refusedToken: boolean;
  onToken: (token: string) => void;
  /** Tries the session cookie. */
  onRetry: () => void;
}

/** What a user without a session sees in `vaultcast serve`. */
export function SignIn({ expired, refusedToken, onToken, onRetry }: SignInProps) {
  const [token, setToken] = useState('');
  const submit = (event: Event) => {
    event.preventDefault();
    if (token.trim()) onToken(token.trim());
  };
  const error = refusedToken ? (expired ? 'The token has expired.' : 'The service refused this token.') : undefined;
  return (
    <div class="narrow stack">
      <div>
        <h1>{expired ? 'Your session has ended' : 'You are not signed in'}</h1>
        <p class="lead">This page uses the session of your application. Sign in there with this browser, then come back.</p>
      </div>
      <div><Button kind="primary" onClick={onRetry}>I have signed in</Button></div>
      <Card title="Use a session token" hint="It stays in this tab, and is forgotten when the tab is closed.">
        <form class="stack" onSubmit={submit}>
          <Field label="Token" value={token} onValue={setToken} error={error} type="password" autoComplete="off" spellcheck={false}
            hint="vaultcast token --user ID prints one." required />
          <div><Button type="submit">Use this token</Button></div>
        </form>
      </Card>
    </div>
  );
}
