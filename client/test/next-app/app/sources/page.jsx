import { VaultcastError } from 'vaultcast-client'; // usable in a server component
import { Sources } from './sources';

export default function Page() {
  return <Sources vaultId={process.env.VAULT_ID} notice={new VaultcastError('CLOSED', 'made on the server').message} />;
}
