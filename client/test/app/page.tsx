// The script of the page: hydrates the application, and does what the test asks for.
import { hydrateRoot } from 'react-dom/client';
import type { VaultcastClient } from 'vaultcast-client';
import { App, type AppProps } from './app.js';

const errors: string[] = [];
console.error = (...args: unknown[]) => void errors.push(args.join(' '));
const clients = new Set<VaultcastClient>();
const events: string[] = [];

function remember(client: VaultcastClient) {
  if (clients.has(client)) return;
  clients.add(client);
  for (const name of ['connect', 'disconnect'] as const) client.on(name, () => void events.push(name));
}

const ask = async (report: object) => (await fetch('/report', { method: 'POST', body: JSON.stringify(report) })).text();

/** Resolves when the element has this text. */
function text(id: string, expected: string): Promise<void> {
  return new Promise((resolve) => {
    const check = () => {
      if (document.getElementById(id)?.textContent !== expected) return;
      observer.disconnect();
      resolve();
    };
    const observer = new MutationObserver(check);
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    check();
  });
}

async function run(props: AppProps) {
  const root = hydrateRoot(document.getElementById('root')!, <App {...props} onRender={remember} />, {
    onRecoverableError: (error) => void errors.push(String(error)),
  });
  await text('vault', 'live owner 0');
  await ask({ step: 'live', titles: document.getElementById('titles')!.textContent });
  await text('titles', 'of another user,first');
  document.querySelector('button')!.click();
  await text('titles', 'of the page,of another user,first');
  const optimistic = document.getElementById('vault')!.textContent;
  await text('vault', 'live owner 0');
  const states = () => [...clients].map(({ state }) => state);
  const before = states();
  root.unmount();
  await new Promise((resolve) => setTimeout(resolve)); // the provider closes its client a task later
  await ask({ step: 'done', optimistic, before, after: states(), events, errors });
}

void run(JSON.parse(document.getElementById('props')!.textContent!) as AppProps).catch((error: unknown) => ask({ step: 'failed', error: String(error) }));
