// The script of the page of the cut test: runs the clients, and reports their connections and at last their records.
import { connect } from 'vaultcast-client';
import { startClient } from './cut-clients.mjs';

const report = (body) => fetch('/report', { method: 'POST', body: JSON.stringify(body) });
const fail = (error) => report({ failed: String(error.stack ?? error) });

async function run(allOptions) {
  const clients = allOptions.map((options, number) => {
    const onConnect = (recovered) => report({ number, isConnected: true, recovered });
    const onDisconnect = () => report({ number, isConnected: false });
    return startClient({ connect, onConnect, onDisconnect, onError: fail, ...options });
  });
  /** Finishes the mutations of the writers. */
  globalThis.stop = async () => {
    await Promise.all(clients.map((client) => client.stop()));
    await report({ stopped: true });
  };
  /** Reports the state at event `seq` and the records. */
  globalThis.finish = async (seq) => {
    await Promise.all(clients.map((client) => client.settle(seq)));
    for (const { vault, record } of clients) {
      const { sources, members } = vault.getSnapshot();
      await report({ record, lists: { sources, members } });
    }
  };
  /** Reports what each client shows. */
  globalThis.describe = () => {
    const states = clients.map(({ vault, client }) => {
      const { status, connection, seq, pending, error } = vault.getSnapshot();
      return { status, connection, seq, pending, error: String(error), transport: client.socket?.io.engine?.transport.name };
    });
    return report({ states });
  };
  const commands = new EventSource('/commands');
  commands.onmessage = ({ data }) => {
    const { command, argument } = JSON.parse(data);
    globalThis[command](argument).catch(fail);
  };
}

run(JSON.parse(document.getElementById('options').textContent)).catch(fail);
