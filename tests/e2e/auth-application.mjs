// The web application beside the service, reduced to its sessions: the real handlers of NextAuth 4 or Auth.js 5 on their own port,
// with a credentials provider that signs a user in by name alone.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { Auth, setEnvDefaults } from '@auth/core';
import authjsCredentials from '@auth/core/providers/credentials';
import * as authjsJwt from '@auth/core/jwt';

const require = createRequire(import.meta.url);
const nextAuth = require('next-auth/next').default;
const nextAuthCredentials = require('next-auth/providers/credentials').default;
const nextAuthJwt = require('next-auth/jwt');

/** Makes a session too large for one cookie. */
const groups = Array.from({ length: 220 }, (_, number) => `group-${number}-with-a-long-name`);

function provider(credentials, bulky) {
  return credentials({
    credentials: { name: {} },
    authorize: ({ name }) => ({ id: `id-of-${name}`, name, email: `${name}@example.com`, ...(bulky && { groups }) }),
  });
}

/** The configuration that both libraries share. */
const common = (credentials, { secret, secure, bulky }) => ({
  secret,
  useSecureCookies: secure,
  session: { strategy: 'jwt', maxAge: 3600 },
  providers: [provider(credentials, bulky)],
  callbacks: { jwt: ({ token, user }) => ({ ...token, ...(user?.groups && { groups: user.groups }) }) },
});

/** The handler of `pages/api/auth/[...nextauth].js`, called as Next.js calls it. */
function nextAuth4({ env, ...options }) {
  const secret = options.secret ?? env.NEXTAUTH_SECRET ?? env.AUTH_SECRET;
  const handler = nextAuth(common(nextAuthCredentials, { ...options, secret }));
  return async (request, response, url) => {
    process.env.NEXTAUTH_URL = url.origin; // NextAuth reads it at each request
    const nextauth = url.pathname.replace('/api/auth/', '').split('/');
    const cookies = (request.headers.cookie ?? '').split('; ').filter(Boolean).map((pair) => pair.split('='));
    Object.assign(request, {
      query: { ...Object.fromEntries(url.searchParams), nextauth },
      cookies: Object.fromEntries(cookies.map(([name, value]) => [name, decodeURIComponent(value)])),
      body: Object.fromEntries(new URLSearchParams(await text(request))),
    });
    response.status = (code) => Object.assign(response, { statusCode: code });
    response.json = (body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    response.send = (body) => (typeof body === 'object' ? response.json(body) : response.end(body));
    await handler(request, response);
  };
}

/** The handler of `app/api/auth/[...nextauth]/route.js`. */
function authjs5(options) {
  const config = { ...common(authjsCredentials, options), basePath: '/api/auth', trustHost: true };
  if (options.env) setEnvDefaults(options.env, config);
  return async (request, response, url) => {
    const { method, headers } = request;
    const body = method === 'POST' ? await text(request) : undefined;
    const answer = await Auth(new Request(url, { method, headers, body }), config);
    answer.headers.forEach((value, name) => name === 'set-cookie' || response.setHeader(name, value));
    response.setHeader('set-cookie', answer.headers.getSetCookie());
    response.writeHead(answer.status).end(await answer.text());
  };
}

/** Each library with its handlers, the name of its session cookie, and a function that encodes a token with any lifetime. */
export const AUTH_LIBRARIES = [
  {
    name: 'next-auth 4',
    handlers: nextAuth4,
    cookie: 'next-auth.session-token',
    encode: (secret, token, maxAge) => nextAuthJwt.encode({ secret, token, maxAge }),
  },
  {
    name: 'Auth.js 5',
    handlers: authjs5,
    cookie: 'authjs.session-token',
    encode: (secret, token, maxAge) => authjsJwt.encode({ secret, token, maxAge, salt: 'authjs.session-token' }),
  },
];

export class AuthApplication {
  #server;

  /**
   * Starts the application. `env` are the variables that the library takes its secrets from, if no `secret` is given. `pages`
   * handles requests outside `/api/auth/`.
   */
  static async start(library, { secret, env, secure = false, bulky = false, pages }) {
    const application = new AuthApplication();
    const handle = library.handlers({ secret, env, secure, bulky });
    application.#server = createServer((request, response) => {
      const url = new URL(request.url, `http://${request.headers.host}`);
      const serve = url.pathname.startsWith('/api/auth/') ? handle : pages;
      Promise.resolve(serve(request, response, url)).catch((error) => {
        console.error('the application failed to answer', error);
        response.destroy();
      });
    });
    await new Promise((resolve) => application.#server.listen(0, '127.0.0.1', resolve));
    application.url = `http://127.0.0.1:${application.#server.address().port}`;
    return application;
  }

  /** Signs a user in with a new browser and returns the browser. */
  async signIn(name) {
    const browser = new CookieBrowser(this.url);
    const { csrfToken } = await (await browser.visit('/api/auth/csrf')).json();
    await browser.visit('/api/auth/callback/credentials', { csrfToken, name, callbackUrl: this.url });
    assert(browser.sessionCookies().length > 0, `${name} was not signed in: ${browser}`);
    return browser;
  }

  async close() {
    await new Promise((resolve) => this.#server.close(resolve).closeAllConnections());
  }
}

/** An HTTP client that keeps cookies, as a browser does. */
class CookieBrowser {
  #cookies = new Map();

  constructor(url) {
    this.url = url;
  }

  async visit(path, form) {
    const answer = await fetch(this.url + path, {
      method: form ? 'POST' : 'GET',
      headers: { cookie: this.cookie },
      body: form && new URLSearchParams(form),
      redirect: 'manual',
    });
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      if (value === '' || /max-age=0\b/i.test(line)) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return answer;
  }

  async signOut() {
    const { csrfToken } = await (await this.visit('/api/auth/csrf')).json();
    await this.visit('/api/auth/signout', { csrfToken });
  }

  /** The `Cookie` header with all cookies. */
  get cookie() {
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** Returns the session cookies as `[name, value]` pairs. */
  sessionCookies() {
    return [...this.#cookies].filter(([name]) => name.includes('session-token'));
  }

  toString() {
    return `cookies ${[...this.#cookies.keys()].join(', ')}`;
  }
}
