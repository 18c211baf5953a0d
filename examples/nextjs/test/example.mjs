// The example, started by its own command, and the browsers of its users.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppWindow } from '../../../tests/e2e/browser.mjs';
import { ManagedProcess } from '../../../tests/e2e/managed-process.mjs';
import { freePort } from '../../../tests/e2e/test-server.mjs';

const START = fileURLToPath(new URL('../scripts/start.mjs', import.meta.url));
const BINARY = process.env.VAULTCAST_BIN ?? fileURLToPath(new URL('../../../target/debug/vaultcast', import.meta.url));

export class Example {
  #process;

  /** Starts vaultcast, the application and nginx. `settings` are environment variables. */
  static async start({ https = false, ...settings } = {}) {
    const example = new Example();
    example.directory = await mkdtemp(path.join(tmpdir(), 'vaultcast-nextjs-'));
    example.settings = settings;
    example.port = await freePort();
    example.url = `${https ? 'https' : 'http'}://localhost:${example.port}`;
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, VAULTCAST_BIN: BINARY, RUN_DIRECTORY: example.directory, RUST_LOG: 'warn', ...settings };
    const args = [START, '--port', String(example.port), ...(https ? ['--https'] : [])];
    example.#process = new ManagedProcess(process.execPath, args, { env });
    try {
      await example.#process.waitForOutput(/is ready; Ctrl-C/);
    } catch (error) {
      await example.dispose();
      throw error;
    }
    return example;
  }

  get output() {
    return this.#process.output;
  }

  /** Sends a signal to vaultcast, and waits until it is started again. */
  async restart(signal) {
    const from = this.output.length;
    const [, pid] = [...this.output.matchAll(/vaultcast is process (\d+)/g)].at(-1);
    process.kill(Number(pid), signal);
    await this.#process.waitForOutput(/is started again/, from);
  }

  /** Opens the sign-in page and signs a user in. Returns the window. */
  async signIn(browser, name) {
    const window = await AppWindow.open(browser, this.url, { ignoreHTTPSErrors: true });
    await window.goto('/');
    await window.page.getByRole('button', { name: `Sign in as ${name}` }).click();
    await window.page.getByRole('heading', { name: 'Your vaults' }).waitFor();
    return window;
  }

  /** Ends all programs as Ctrl-C does, and returns the exit status. */
  async dispose() {
    try {
      return await this.#process.stop('SIGINT', 60_000);
    } finally {
      await rm(this.directory, { recursive: true, force: true });
    }
  }
}
