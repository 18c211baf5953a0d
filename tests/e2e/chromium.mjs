// A real browser, and sites for it: what a page finds out it reports to the site that it came from.

import assert from 'node:assert/strict';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { Program } from './program.mjs';
import { Watched } from './waiting.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CLIENT = fileURLToPath(new URL('node_modules/socket.io-client/dist/socket.io.min.js', import.meta.url));

/** `CHROMIUM_BIN`, or the first that is installed. */
function binary() {
  const installed = (process.env.PATH ?? '').split(':').flatMap((directory) => NAMES.map((name) => path.join(directory, name)));
  const found = [process.env.CHROMIUM_BIN, ...installed].find((file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  assert(found, 'there is no Chromium: install it (Debian: apt install chromium), or set CHROMIUM_BIN');
  return found;
}

/** Shows one page, and whatever that leads to, to a browser that remembers nothing from before. */
export async function withChromium(url, tell) {
  const profile = await mkdtemp(path.join(tmpdir(), 'vaultcast-chromium-'));
  const quiet = ['--headless=new', '--no-first-run', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking'];
  // Its sandbox does not work for root.
  const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
  const browser = new Program(binary(), [...quiet, ...sandbox, `--user-data-dir=${profile}`, url]);
  try {
    return await tell();
  } catch (error) {
    console.error(`--- what the browser said\n${browser.output}---`);
    throw error;
  } finally {
    await browser.stop();
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A site whose pages run functions of the test; to be used by a server of one's own, or by {@link Site.start}. */
export class Site extends Watched {
  #pages = new Map();
  #reports = new Map();

  /** A page that runs `script` in the browser with these arguments, and reports what it returns under its path. */
  page(at, script, ...args) {
    const given = args.map((arg) => JSON.stringify(arg)).join(', ');
    this.#pages.set(
      at,
      `<!doctype html><title>${at}</title><iframe name="aside"></iframe><script src="/socket.io.js"></script><script type="module">
      const report = (found) => fetch('/report?of=${at}', { method: 'POST', body: JSON.stringify(found) });
      const then = await (${script})(${given}).catch((error) => ({ failed: String(error.stack ?? error) }));
      await report(then);
      if (then.next) location = then.next;
      </script>`,
    );
  }

  /** What the page at this path has found. */
  found(at) {
    return this.until(() => this.#reports.get(at), () => `no report of ${at}`, 30_000);
  }

  serve = async (request, response, url) => {
    if (url.pathname === '/report') {
      this.#reports.set(url.searchParams.get('of'), await json(request));
      this.changed();
      return response.end();
    }
    if (url.pathname === '/socket.io.js') return response.setHeader('content-type', 'text/javascript').end(await readFile(CLIENT));
    response.setHeader('content-type', 'text/html').end(this.#pages.get(url.pathname) ?? '<!doctype html>');
  };

  /** A server for nothing but these pages. */
  async start() {
    this.server = createServer((request, response) => this.serve(request, response, new URL(request.url, 'http://site')));
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.port = this.server.address().port;
  }

  async close() {
    await new Promise((resolve) => this.server.close(resolve).closeAllConnections());
  }
}
