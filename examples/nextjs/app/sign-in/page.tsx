import { signIn } from '../../auth.ts';
import { listUsers } from '../../lib/users.ts';

export const dynamic = 'force-dynamic';

export default async function SignIn() {
  const users = await listUsers();
  return (
    <>
      <h1>Sign in</h1>
      <p>The example asks for no password.</p>
      <ul className="cards">
        {users.map(({ id, name, email }) => (
          <li key={id}>
            <form
              action={async () => {
                'use server';
                await signIn('credentials', { userId: id, redirectTo: '/' });
              }}
            >
              <button type="submit">Sign in as {name}</button>
              <span className="muted">{email}</span>
            </form>
          </li>
        ))}
      </ul>
    </>
  );
}
