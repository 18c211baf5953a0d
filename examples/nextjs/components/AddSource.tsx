import { useState } from 'react';
import { VaultcastError } from 'vaultcast-client';
import type { VaultView } from 'vaultcast-client/react';

/** Adds a source, which is shown before the service has confirmed it. */
export function AddSource({ create }: Pick<VaultView, 'create'>) {
  const [error, setError] = useState<string>();

  function add(form: FormData) {
    setError(undefined);
    create({ title: String(form.get('title')), fileUrl: String(form.get('fileUrl')) }).catch((reason: unknown) =>
      setError(reason instanceof VaultcastError ? reason.message : String(reason)),
    );
  }

  return (
    <form action={add} className="row">
      <label>
        Title <input name="title" required />
      </label>
      <label>
        Address of the file <input name="fileUrl" type="url" required defaultValue="https://files.example.com/paper.pdf" />
      </label>
      <button type="submit">Add</button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
