// The application of the React tests, rendered by the test on the server and hydrated in a browser.
import { StrictMode } from 'react';
import { useSources, useVault, useVaultcast, VaultcastProvider } from 'vaultcast-client/react';
import type { VaultcastClient } from 'vaultcast-client';

export interface AppProps {
  url: string;
  token: string;
  vaultId: string;
  onRender?: (client: VaultcastClient) => void;
}

export function App({ url, token, vaultId, onRender }: AppProps) {
  return (
    <StrictMode>
      <VaultcastProvider url={url} auth={token}>
        <Vault vaultId={vaultId} onRender={onRender} />
        <Titles vaultId={vaultId} />
      </VaultcastProvider>
    </StrictMode>
  );
}

function Vault({ vaultId, onRender }: Pick<AppProps, 'vaultId'> & { onRender: AppProps['onRender'] | undefined }) {
  const { status, role, pending, create } = useVault(vaultId);
  onRender?.(useVaultcast());
  return (
    <>
      <p id="vault">
        {status} {role} {pending.length}
      </p>
      <button onClick={() => void create({ title: 'of the page', fileUrl: 'https://files.example.com/page.pdf' })}>Add</button>
    </>
  );
}

function Titles({ vaultId }: Pick<AppProps, 'vaultId'>) {
  return <p id="titles">{useSources(vaultId).map(({ title }) => title).join()}</p>;
}
