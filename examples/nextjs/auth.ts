// The sessions of this application, by Auth.js 5. vaultcast reads the same cookie with the same AUTH_SECRET, and needs nothing else.

import NextAuth from 'next-auth';
import Credentials from 'next-auth/providers/credentials';
import { findUser } from './lib/users.ts';

/** How long a session lasts, in seconds. */
const SESSION_AGE = Number(process.env.SESSION_AGE ?? 30 * 24 * 60 * 60);

export const { handlers, auth, signIn, signOut } = NextAuth({
  trustHost: true,
  session: { strategy: 'jwt', maxAge: SESSION_AGE },
  pages: { signIn: '/sign-in' },
  providers: [
    // An application asks for a password here, or uses another provider. The example signs in the chosen user.
    Credentials({
      credentials: { userId: {} },
      authorize: async ({ userId }) => (typeof userId === 'string' ? ((await findUser(userId)) ?? null) : null),
    }),
  ],
  callbacks: {
    // `sub` is the id of the user in the application's database: the `userId` of vaultcast.
    jwt: ({ token, user }) => ({ ...token, ...(user && { sub: user.id, ...largeClaims() }) }),
    session: ({ session, token }) => ({ ...session, user: { ...session.user, id: token.sub ?? '' } }),
  },
});

/** Claims that make a session larger than one cookie, to try that Auth.js splits it: `LARGE_SESSIONS=1`. */
function largeClaims(): { groups?: string[] } {
  if (process.env.LARGE_SESSIONS !== '1') return {};
  return { groups: Array.from({ length: 220 }, (_, number) => `group-${number}-with-a-long-name`) };
}
