import { VaultcastProvider } from 'vaultcast-client/react';

export const dynamic = 'force-dynamic';

export default function Layout({ children }) {
  return (
    <html>
      <body>
        <VaultcastProvider url={process.env.VAULTCAST_URL} auth={process.env.TOKEN}>
          {children}
        </VaultcastProvider>
      </body>
    </html>
  );
}
