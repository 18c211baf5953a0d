// Someone who uses the service: an identity, the session tokens that prove it, and HTTP requests made with them.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { DEADLINE } from './waiting.mjs';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Person {
  /** How long an answer is waited for. */
  patience = DEADLINE;

  constructor(service, id, name, email) {
    Object.assign(this, { service, id, name, email });
  }

  /** Waits for each answer as long as it may take while the database is dead or everybody comes at once; returns itself. */
  patiently() {
    this.patience = 30_000;
    return this;
  }

  /** How events name this person. */
  as(role) {
    return { userId: this.id, userName: this.name, role };
  }

  /** A session as the web application would sign it; `ttl` in seconds, negative for one that is over. */
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
      signal: AbortSignal.timeout(this.patience),
    });
    return new Answer(`${method} ${path}`, response, await response.text());
  }
}

/** An HTTP answer that fails with the wire text in sight. */
class Answer {
  constructor(request, response, text) {
    const seq = response.headers.get('x-vault-seq');
    this.request = request;
    this.status = response.status;
    this.headers = response.headers;
    this.text = text;
    this.body = text && response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : undefined;
    this.seq = seq === null ? undefined : Number(seq);
  }

  /** This answer, if it has the status that the story expects. */
  is(status) {
    assert.equal(this.status, status, `${this.request} answered ${this.status} ${this.text}`);
    return this;
  }

  /** The error in this answer, if it is the one that the story expects. */
  refuses(status, code, message = this.body?.message) {
    this.is(status);
    assert.equal(this.body?.code, code, `${this.request} answered ${this.text}`);
    assert.equal(this.body.message, message);
    assert.equal(typeof message, 'string');
    return this.body;
  }
}
