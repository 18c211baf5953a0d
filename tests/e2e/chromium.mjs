// A real browser, and sites for it. A page runs a function of the test and reports the result to its own site.

import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { ManagedProcess } from './managed-process.mjs';
import { DEFAULT_TIMEOUT, Observable } from './observable.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CLIENT = fileURLToPath(new URL('node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url));

/** Returns `CHROMIUM_BIN` or the first installed Chromium. */
export function findBinary() {
  const installed = (process.env.PATH ?? '').split(':').flatMap((directory) => NAMES.map((name) => path.join(directory, name)));
  const found = [process.env.CHROMIUM_BIN, ...installed].find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert(found, 'Chromium is not installed: install it (Debian: apt install chromium), or set CHROMIUM_BIN');
  return found;
}

/** Opens a page in a browser with an empty profile, and closes the browser when `run` is done. */
export async function withChromium(url, run) {
  const profile = await mkdtemp(path.join(tmpdir(), 'vaultcast-chromium-'));
  const options = ['--headless=new', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'];
  // The sandbox does not support root.
  const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
  const browser = new ManagedProcess(findBinary(), [...options, ...sandbox, `--user-data-dir=${profile}`, url]);
  try {
    return await run();
  } catch (error) {
    console.error(`--- output of the browser\n${browser.output}---`);
    throw error;
  } finally {
    await browser.stop();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A site whose pages run functions of the test. Its handler `serve` can be mounted on another server, or {@link TestSite.start} starts one. */
export class TestSite extends Observable {
  #pages = new Map();
  #reports = new Map();

  /** Adds a page that runs `script` in the browser with these arguments and reports its result under the page's path. */
  addPage(path, script, ...args) {
    const argList = args.map((arg) => JSON.stringify(arg)).join(', ');
    this.#pages.set(
      path,
      `<!doctype html><title>${path}</title><iframe name="aside"></iframe><script src="/socket.io.js"></script><script type="module">
      const report = (result) => fetch('/report?of=${path}', { method: 'POST', body: JSON.stringify(result) });
      const result = await (${script})(${argList}).catch((error) => ({ failed: String(error.stack ?? error) }));
      await report(result);
      if (result.next) location = result.next;
      </script>`,
    );
  }

  /** Waits for the report of the page at this path. */
  waitForReport(path) {
    return this.waitFor(() => this.#reports.get(path), () => `no report of ${path}`, 4 * DEFAULT_TIMEOUT);
  }

  serve = async (request, response, url) => {
    if (url.pathname === '/report') {
      this.#reports.set(url.searchParams.get('of'), await json(request));
      this.notify();
      return response.end();
    }
    if (url.pathname === '/socket.io.js') return response.setHeader('content-type', 'text/javascript').end(await readFile(CLIENT));
    response.setHeader('content-type', 'text/html').end(this.#pages.get(url.pathname) ?? '<!doctype html>');
  };

  /** Starts a server that serves only this site. */
  async start() {
    this.server = createServer((request, response) => this.serve(request, response, new URL(request.url, 'http://site')));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  async close() {
    await new Promise((resolve) => this.server.close(resolve).closeAllConnections());
  }
}
