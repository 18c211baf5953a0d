// A user of the service: an identity, the session tokens that prove it, and HTTP requests made with them, whose responses are
// checked against the OpenAPI document.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { checkResponse } from './contract.mjs';
import { DEFAULT_TIMEOUT } from './observable.mjs';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class TestUser {
  /** The timeout of each request, in milliseconds. */
  timeout = DEFAULT_TIMEOUT;

  constructor(service, id, name, email) {
    Object.assign(this, { service, id, name, email });
  }

  /** Sets a request timeout that outlasts a database outage or many reconnects at once, and returns this user. */
  withLongTimeout() {
    this.timeout = 3 * DEFAULT_TIMEOUT;
    return this;
  }

  /** Returns the `actor` field of events that this user causes. */
  actor(role) {
    return { userId: this.id, userName: this.name, role };
  }

  /** Signs a session token as the web application would. `ttl` is in seconds; a negative one gives an expired session. */
  token({ ttl = 3600, secret = this.service.secret, ...claims } = {}) {
    const now = Math.floor(Date.now() / 1000);
    const { id: sub, name, email } = this;
    const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ sub, name, email, iat: now - 60, exp: now + ttl, ...claims })}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  }

  get(path) {
    return this.request('GET', path);
  }

  post(path, body, headers) {
    return this.request('POST', path, body, headers);
  }

  patch(path, body, headers) {
    return this.request('PATCH', path, body, headers);
  }

  delete(path, headers) {
    return this.request('DELETE', path, undefined, headers);
  }

  async request(method, path, body, headers = {}) {
    const response = await fetch(this.service.url + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token()}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(this.timeout),
    });
    const answer = new HttpResponse(`${method} ${path}`, response, await response.text());
    checkResponse(method, path, answer);
    return answer;
  }
}

/** A complete HTTP response. Its assertions include the response body in their messages. */
class HttpResponse {
  constructor(request, response, text) {
    const seq = response.headers.get('x-vault-seq');
    this.request = request;
    this.status = response.status;
    this.headers = response.headers;
    this.text = text;
    this.body = text && response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined;
    this.seq = seq === null ? undefined : Number(seq);
  }

  /** Asserts the status and returns this response. */
  expectStatus(status) {
    assert.equal(this.status, status, `${this.request} answered ${this.status} ${this.text}`);
    return this;
  }

  /** Asserts the status and the error, and returns the error. */
  expectError(status, code, message = this.body?.message) {
    this.expectStatus(status);
    assert.equal(this.body?.code, code, `${this.request} answered ${this.text}`);
    assert.equal(this.body.message, message);
    assert.equal(typeof message, 'string');
    return this.body;
  }
}
