// One database and a service that is killed on it again and again, under authors who write and subscribers who come back.
// After each kill what was acknowledged and what was shown is looked for; at the end all of it is judged, and
// `vaultcast verify` is asked.

import { setTimeout as pause } from 'node:timers/promises';
import { Listener } from '../listener.mjs';
import { Person } from '../person.mjs';
import { range } from '../plain.mjs';
import { Service } from '../service.mjs';
import { journalOf } from '../writers.mjs';
import { Author, Authors, httpDoor, Owner, socketDoor } from './authors.mjs';
import { Chance } from './chance.mjs';
import { judge, missing, shownOtherwise } from './judge.mjs';
import { MOMENTS } from './moments.mjs';
import { listOf, Subscriber } from './subscribers.mjs';

const VAULTS = 4;

/** By which ways subscribers come, and whose connections are cut. */
const SUBSCRIBERS = [
  { transports: ['websocket'] },
  { transports: ['polling'] },
  { transports: ['polling', 'websocket'] },
  { transports: ['websocket'], travels: true },
  { transports: ['polling'], travels: true },
  { transports: ['polling', 'websocket'], travels: true },
];

/** After so many kills somebody comes late, up to so many in all. */
const LATE = { every: 7, most: 6 };

/** How often a service that is started is killed before it is ready. */
const STILLBORN = 0.2;

const SETTINGS = {
  RUST_LOG: 'warn',
  // A client whose upgrade is cut may believe in a connection that is none, until the heartbeat fails.
  VAULTCAST__SOCKETIO__PING_INTERVAL: '1s',
  VAULTCAST__SOCKETIO__PING_TIMEOUT: '2s',
};

export class Run {
  kills = 0;
  /** What contradicts, as far as it is known. */
  odd = [];
  authors = new Authors();
  subscribers = [];
  vaults = [];
  /** How each life of the service ended: `killed`, `stopped`, or `cut short` while it stopped. */
  #deaths = new Map();
  #moments = new Map();
  #bursts = [];
  #senders = [];
  /** What was read of the journals so far, and how much of what was told has been looked for in them. */
  #journals = new Map();
  #looked = { mutations: 0, heard: new Map() };

  static async start(seed) {
    const run = new Run();
    run.chance = new Chance(seed);
    run.service = await Service.start('serve', SETTINGS);
    try {
      await run.#populate();
    } catch (error) {
      await run.dispose();
      throw error;
    }
    return run;
  }

  async #populate() {
    const [ana, ben, cem, dora, eli, finn, gil] = ['ana', 'ben', 'cem', 'dora', 'eli', 'finn', 'gil'].map(
      (name) => new Person(this.service, name, name, `${name}@example.com`),
    );
    const owner = httpDoor(ana);
    for (const number of range(1, VAULTS)) {
      const name = `Vault ${number}`;
      const vault = (await ana.post('/api/vaults', { name })).is(201).body.id;
      this.vaults.push({ id: vault, name });
      this.#journals.set(vault, []);
      for (const [role, people] of Object.entries({ contributor: [ben, cem, dora, eli, finn], viewer: [gil] })) {
        for (const { id: userId } of people) await this.authors.ask(owner, { event: 'member:added', vault, userId, role });
      }
    }
    this.#senders = [[dora, 'websocket'], [eli, 'polling']].map(([person, transport]) => {
      const listener = new Listener(this.service.url, { transports: [transport], auth: { token: person.token() } });
      return { person, listener, close: () => listener.close() };
    });
    const sockets = this.#senders.map(({ person, listener }) => socketDoor(person, listener));
    const doors = [httpDoor(ben), httpDoor(cem), ...sockets];
    Object.assign(this, { ana, gil, doors });
    for (const { transports, travels } of SUBSCRIBERS) await this.#subscribe(transports, { travels });
    for (const door of doors) this.authors.write(new Author(door, this.vaults), this.chance.fork());
    this.authors.write(new Author(httpDoor(finn), this.vaults, { wavering: true }), this.chance.fork());
    this.authors.write(new Owner(owner, this.vaults, finn), this.chance.fork());
  }

  async #subscribe(transports, { travels = false, lists = false } = {}) {
    const subscriber = await Subscriber.at(this.service, this.gil, this.vaults, transports, lists);
    this.subscribers.push(subscriber);
    await subscriber.isBack(1);
    if (travels) subscriber.travel(this.chance.fork());
  }

  /** Kills it once more, or twice, if it is killed before it is ready; never more than `most` times. */
  async kill(most) {
    const { chance, authors, service, subscribers } = this;
    const moment = chance.pick(MOMENTS);
    const burst = (count) => this.#burst(count);
    await moment.come({ chance, authors, service, subscribers, burst });
    await this.#dies(moment.name, moment.isStop);
    service.launch();
    while (this.kills < most && chance.happens(STILLBORN)) {
      await pause(chance.between(0, chance.pick([20, 150, 500])));
      await this.#dies('while it starts');
      service.launch();
    }
    await service.isReady();
    await this.#look();
    const late = subscribers.length - SUBSCRIBERS.length;
    if (late < LATE.most && this.kills >= (late + 1) * LATE.every) {
      await this.#subscribe(chance.pick(SUBSCRIBERS).transports, { travels: chance.happens(0.5), lists: true });
    }
  }

  /** Whoever fails in it fails with the end of the run. */
  #burst(count) {
    const burst = this.authors.burst(count, this.doors, this.vaults, this.chance);
    burst.catch(() => {});
    this.#bursts.push(burst);
  }

  async #dies(moment, isStop = false) {
    const { code, signal } = await this.service.kill();
    const { lives } = this.service;
    if (signal === 'SIGKILL') {
      this.#deaths.set(lives, isStop ? 'cut short' : 'killed');
      this.#moments.set(moment, (this.#moments.get(moment) ?? 0) + 1);
      this.kills += 1;
    } else {
      this.#deaths.set(lives, 'stopped');
      if (!isStop || code !== 0) this.odd.push(`life ${lives} of the service ended by itself with ${code ?? signal}; it said:\n${this.service.output}`);
    }
  }

  /** What was told before now is in the journals. */
  async #look() {
    const told = this.authors.mutations.slice(this.#looked.mutations);
    const accounts = this.subscribers.map((subscriber) => this.#news(subscriber));
    for (const { id } of this.vaults) {
      const journal = this.#journals.get(id);
      journal.push(...(await journalOf(this.ana, { id }, journal.at(-1)?.seq)));
    }
    this.#looked.mutations += told.length;
    this.odd.push(...missing(this.#journals, told), ...accounts.flatMap((account) => shownOtherwise(account, this.#journals)));
  }

  /** What a subscriber was shown since it was last asked. */
  #news(subscriber) {
    const { name, rooms } = subscriber.account;
    const before = this.#looked.heard.get(subscriber) ?? {};
    this.#looked.heard.set(subscriber, Object.fromEntries(rooms.map(({ vault, heard }) => [vault, heard.length])));
    const news = ({ vault, began, heard }) => {
      const known = before[vault] ?? 0;
      return { vault, began: heard[known - 1]?.seq ?? began, heard: heard.slice(known) };
    };
    return { name, rooms: rooms.map(news) };
  }

  /** Lets everybody finish and judges all of it. */
  async end() {
    for (const subscriber of this.subscribers) subscriber.settle();
    await this.authors.stop();
    await Promise.all(this.#bursts);
    for (const subscriber of this.subscribers) await subscriber.isBack(1).catch(({ message }) => this.odd.push(`${subscriber.name}: ${message}`));
    // What comes twice comes before what is last.
    const owner = httpDoor(this.ana);
    for (const { id: vault } of this.vaults) {
      await this.authors.ask(owner, { event: 'source:created', vault, title: `the last of ${vault}` });
    }
    const vaults = await Promise.all(this.vaults.map((vault) => this.#account(vault)));
    const last = vaults.flatMap(({ id, journal }) => this.subscribers.map((one) => one.reaches({ id }, journal.at(-1).seq)));
    // Who was not shown it is named by the judge.
    await Promise.allSettled(last);
    const { mutations, vaults: made, oddities } = this.authors;
    const own = new Set(this.vaults.map(({ id }) => id));
    const found = (await this.ana.get('/api/vaults')).is(200).body.vaults.filter(({ id }) => !own.has(id));
    const subscribers = this.subscribers.map(({ account }) => account);
    this.odd.push(...oddities, ...judge({ vaults, made, found, mutations, subscribers, deaths: this.#deaths }));
    if (/panicked/.test(this.service.output)) this.odd.push(`the service panicked; it said:\n${this.service.output}`);
    await this.#verify();
  }

  /** What the judge is told of a vault. */
  async #account({ id, name }) {
    const journal = await journalOf(this.ana, { id });
    const of = async (path) => (await this.ana.get(`/api/vaults/${id}${path}`)).is(200).body;
    const [{ sources }, { members }, vault] = [await listOf(this.ana, { id }), await of('/members'), await of('')];
    const listing = { sources, members, name: vault.name, seq: vault.seq };
    return { id, owner: this.ana.id, name, journal, before: this.#journals.get(id), listing };
  }

  async #verify() {
    for (const subscriber of this.subscribers) subscriber.close();
    for (const sender of this.#senders) sender.close();
    await this.service.stop();
    const { code, output } = await this.service.outcome('verify');
    if (code !== 0) this.odd.push(`vaultcast verify ended with ${code}:\n${output}`);
  }

  /** How far it has come. */
  get figures() {
    const sum = (count) => this.subscribers.reduce((all, one) => all + count(one), 0);
    const { http, sockets, refused, unknown, applied, again } = this.authors.counts;
    return {
      kills: this.kills,
      'stops in order': [...this.#deaths.values()].filter((death) => death === 'stopped').length,
      'acknowledged over HTTP': http,
      'acknowledged over sockets': sockets,
      'asked again after a lost answer': again,
      'of these found done': applied,
      refused,
      unknown,
      'events shown': sum((one) => one.shown),
      'resumes by since': sum(({ resumes }) => resumes.length),
      'connections cut': sum(({ cuts }) => cuts),
      recoveries: sum(({ lives }) => lives.filter(({ recovered }) => recovered).length),
      resyncs: sum(({ resyncs }) => resyncs.length),
    };
  }

  get moments() {
    return this.#moments;
  }

  async dispose() {
    this.authors.stop().catch(() => {});
    for (const one of [...this.subscribers, ...this.#senders]) await one.close();
    await this.service.dispose();
  }
}
