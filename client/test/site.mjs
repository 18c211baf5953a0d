// A site for a browser: serves texts, receives what its page reports, and sends it commands.

import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { DEFAULT_TIMEOUT, Observable } from '../../tests/e2e/observable.mjs';

export class Site extends Observable {
  #pages = {};
  #reports = [];
  #commands;
  /** Returns the answer to a report. */
  answer = () => undefined;

  static async start() {
    const site = new Site();
    site.server = createServer(async (request, response) => {
      if (request.method === 'POST') {
        const report = await json(request);
        site.#reports.push(report);
        site.notify();
        return response.end(JSON.stringify(site.answer(report) ?? {}));
      }
      if (request.url === '/commands') {
        site.#commands = response.writeHead(200, { 'content-type': 'text/event-stream' });
        return response.flushHeaders();
      }
      const page = site.#pages[request.url];
      response.setHeader('content-type', request.url.endsWith('.js') ? 'text/javascript' : 'text/html; charset=utf-8');
      response.writeHead(page === undefined ? 404 : 200).end(page);
    });
    await new Promise((resolve) => site.server.listen(0, '127.0.0.1', resolve));
    site.url = `http://127.0.0.1:${site.server.address().port}`;
    return site;
  }

  serve(pages) {
    Object.assign(this.#pages, pages);
  }

  /** Resolves with the next report. */
  nextReport(timeout = 4 * DEFAULT_TIMEOUT) {
    return this.waitFor(() => this.#reports.shift(), () => 'the page did not report', timeout);
  }

  /** Sends a command to the page. */
  send(command) {
    this.#commands.write(`data: ${JSON.stringify(command)}\n\n`);
  }

  close() {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
