import type { Metadata } from 'next';
import type { ReactNode } from 'react';
import { auth, signOut } from '../auth.ts';
import './globals.css';

export const metadata: Metadata = { title: 'Research vaults', description: 'A Next.js application whose vaults are kept by vaultcast' };

export default async function Layout({ children }: { children: ReactNode }) {
  const session = await auth();
  return (
    <html lang="en">
      <body>
        <header>
          <a href="/">Research vaults</a>
          {session?.user && (
            <form
              action={async () => {
                'use server';
                await signOut({ redirectTo: '/sign-in' });
              }}
            >
              <span>{session.user.name}</span>
              <button type="submit">Sign out</button>
            </form>
          )}
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
