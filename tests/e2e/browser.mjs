// The app in a real browser, driven by Playwright. Each window has cookies and storage of its own, and records what must not happen:
// violations of the Content-Security-Policy, errors of scripts, and requests to other origins.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { findBinary } from './chromium.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';

const AXE = readFileSync(fileURLToPath(new URL('node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8');

/** The time for one step: several requests of the page, which polls or reconnects with a delay. */
const STEP_TIMEOUT = 2 * DEFAULT_TIMEOUT;

/** Starts the installed Chromium. */
export async function launchBrowser() {
  const quiet = ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  // The sandbox does not support root.
  const sandbox = process.getuid() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: findBinary(), args: [...quiet, '--disable-dev-shm-usage', ...sandbox] });
}

/** A window of a user: a Playwright page and its faults. */
export class AppWindow {
  faults = [];
  /** The addresses of the websockets that were opened. */
  sockets = [];

  /** Opens a window without cookies. `options` are those of a browser context, such as `viewport` and `colorScheme`. */
  static async open(browser, url, options = {}) {
    const context = await browser.newContext({ baseURL: url, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(STEP_TIMEOUT);
    const page = await context.newPage();
    return new AppWindow(context, page, url);
  }

  constructor(context, page, url) {
    Object.assign(this, { context, page });
    const origin = new URL(url).host;
    page.on('pageerror', (error) => this.faults.push(`script error: ${error}`));
    page.on('console', (message) => /Content.Security.Policy/i.test(message.text()) && this.faults.push(message.text()));
    page.on('request', (request) => {
      const { host, protocol } = new URL(request.url());
      if (protocol !== 'data:' && host !== origin) this.faults.push(`request to another origin: ${request.url()}`);
    });
    page.on('websocket', (socket) => {
      this.sockets.push(socket.url());
      if (new URL(socket.url()).host !== origin) this.faults.push(`websocket to another origin: ${socket.url()}`);
    });
  }

  goto(path) {
    return this.page.goto(path);
  }

  /** Checks the page with axe-core; fails with the violations. */
  async checkAccessibility(state) {
    // Evaluated by the debugger, so the policy of the page does not apply.
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    const found = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html.slice(0, 200)}\n  ${failureSummary}`).join('\n')}`);
    assert.equal(found.length, 0, `${state}:\n${found.join('\n')}`);
  }

  /** Closes the window and asserts that it had no fault. */
  async close() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }
}
