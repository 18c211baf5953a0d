// Checks the recorded history of a crash run: the journal of each vault, the outcome of each mutation, and everything that each
// subscriber received. It works on recorded data only and returns a description of each contradiction.
//
// A mutation is `{ vault, signature, actorId, outcome, seq?, response? }`. The `signature` identifies its event (see `signatureOf`),
// `response` is the content of the answer, and `outcome` is one of
//   acknowledged  its event is in the journal at `seq`
//   applied       its event is in the journal: the answer was lost, and the answer to a repeated request says that it was applied
//   refused       its event is not in the journal
//   unknown       its event is in the journal completely or not at all

import { isDeepStrictEqual } from 'node:util';

/**
 * Returns all contradictions in the history of one database. `vaults` are `{ id, owner, name, journal, earlierJournal, listing }`:
 * `earlierJournal` is the part of the journal that was read from earlier processes, and `listing` the final state by the other
 * routes. `createdVaults` are the vaults whose creation was acknowledged, and `foundVaults` those that the service lists at the end.
 * `exits` gives for each process (run) of the service how it ended: `killed`, `stopped` or `killed during a stop`.
 */
export function checkHistory({ vaults, createdVaults = [], foundVaults = [], mutations, subscribers, exits }) {
  const journals = new Map(vaults.map(({ id, journal }) => [id, journal]));
  return [
    ...vaults.flatMap((vault) => [...findGaps(vault), ...findRewrittenEvents(vault), ...checkListing(vault)]),
    ...checkCreatedVaults(createdVaults, foundVaults),
    ...checkMutations(journals, mutations),
    ...subscribers.flatMap((subscriber) => [
      ...checkReceivedEvents(subscriber, journals), ...checkCompleteness(subscriber, journals), ...checkKeptLists(subscriber, vaults),
      ...checkSentEvents(subscriber),
    ]),
    ...subscribers.flatMap((subscriber) => checkRecoveries(subscriber, exits)),
  ];
}

/** Returns the part of an event that identifies its mutation: a unique name, or the row that it changes. */
export function signatureOf({ event, payload: { source, sourceId, member, vault } }) {
  const subject = {
    'source:created': () => source.title,
    'source:updated': () => `${source.id} ${source.title}`,
    'source:deleted': () => sourceId,
    'member:added': () => `${member.userId} ${member.role}`,
    'member:updated': () => `${member.userId} ${member.role}`,
    'member:removed': () => member.userId,
    'vault:updated': () => vault.name,
  }[event];
  return `${event} ${subject?.()}`;
}

function findGaps({ id, journal }) {
  const previous = (index) => journal[index - 1]?.seq ?? 0;
  return journal.flatMap(({ seq }, index) => (seq === previous(index) + 1 ? [] : [`${id}: the journal has ${seq} after ${previous(index)}`]));
}

/** Compares the part of the journal that was read from earlier processes with the final journal. */
function findRewrittenEvents({ id, journal, earlierJournal = [] }) {
  return earlierJournal.flatMap((event, index) =>
    isDeepStrictEqual(event, journal[index]) ? [] : [`${id}: the journal had ${format(event)}, and now has ${format(journal[index])}`],
  );
}

/** Each created vault is found exactly once. */
function checkCreatedVaults(createdVaults, foundVaults) {
  const describe = (vaults) => vaults.map(({ id, name }) => `${name} (${id})`);
  const [created, found] = [describe(createdVaults), describe(foundVaults)];
  return [
    ...created.filter((name) => !found.includes(name)).map((name) => `vault ${name} was created, but is missing`),
    ...found.filter((name) => !created.includes(name)).map((name) => `vault ${name} exists, but was not created by a request`),
  ];
}

/** Each acknowledged or applied mutation is in the journal, no refused one is, and each event belongs to a mutation. */
function checkMutations(journals, mutations) {
  const nameOf = ({ vault, signature }) => `${vault}: ${signature}`;
  const contradictions = findMissingMutations(journals, mutations);
  const acknowledgedPositions = new Set(mutations.filter(isAcknowledged).map(({ vault, seq }) => `${vault} ${seq}`));
  const [acknowledged, applied, refused, unknown] = ['acknowledged', 'applied', 'refused', 'unknown'].map((outcome) => {
    const byName = new Map();
    for (const mutation of mutations.filter((mutation) => mutation.outcome === outcome)) {
      byName.set(nameOf(mutation), [...(byName.get(nameOf(mutation)) ?? []), mutation]);
    }
    return byName;
  });
  for (const [vault, events] of journals) {
    for (const event of events.filter(({ seq }) => !acknowledgedPositions.has(`${vault} ${seq}`))) {
      const name = nameOf({ vault, signature: signatureOf(event) });
      const mutation = applied.get(name)?.pop() ?? unknown.get(name)?.pop();
      if (mutation) contradictions.push(...compareWithEvent(mutation, event));
      else if (refused.has(name)) contradictions.push(`${name} was refused, but is in the journal at ${event.seq}`);
      else if (acknowledged.has(name)) contradictions.push(`${name} was acknowledged at ${acknowledged.get(name)[0].seq}, but is in the journal at ${event.seq} as well`);
      else contradictions.push(`${name} is in the journal at ${event.seq}, but was not requested`);
    }
  }
  for (const [name, remaining] of applied) if (remaining.length > 0) contradictions.push(`${name} was applied according to the service, but is missing`);
  return contradictions;
}

/** Returns the event with this number, which has a fixed index if the journal has no gaps. */
function eventAt(journals, vault, seq) {
  const journal = journals.get(vault);
  return journal[seq - 1]?.seq === seq ? journal[seq - 1] : journal.find((event) => event.seq === seq);
}

const isAcknowledged = ({ outcome }) => outcome === 'acknowledged';

/** Returns the acknowledged mutations that the journals lack or contradict, or that share their position with another one. */
export function findMissingMutations(journals, mutations) {
  const signatures = new Map();
  return mutations.filter(isAcknowledged).flatMap((mutation) => {
    const { vault, signature, seq } = mutation;
    const event = eventAt(journals, vault, seq);
    const position = `${vault} ${seq}`;
    const other = signatures.get(position);
    signatures.set(position, signature);
    const report = (problem) => [`${vault}: ${signature} was acknowledged at ${seq}, ${problem}`];
    if (other !== undefined) return report(`and so was ${other}`);
    if (!event) return report('but is missing');
    if (signatureOf(event) !== signature) return report(`where the journal has ${format(event)}`);
    return compareWithEvent(mutation, event);
  });
}

/** The event has the actor of the mutation and the content of its response. */
function compareWithEvent({ vault, signature, actorId, response = {} }, { seq, payload }) {
  const contradictions = [];
  if (payload.actor?.userId !== actorId) contradictions.push(`${vault}: ${signature} was requested by ${actorId}, but event ${seq} has the actor ${payload.actor?.userId}`);
  for (const [name, answered] of Object.entries(response)) {
    const written = payload[name] ?? {};
    const differing = Object.keys(answered).filter((field) => field in written && !isDeepStrictEqual(answered[field], written[field]));
    for (const field of differing) {
      contradictions.push(`${vault}: ${signature} was acknowledged with ${field} ${JSON.stringify(answered[field])}, but event ${seq} has ${JSON.stringify(written[field])}`);
    }
  }
  return contradictions;
}

/**
 * Returns the received events that the journals contradict, and those that did not arrive in order. A subscriber is
 * `{ name, subscriptions: [{ vault, startSeq, events, listedSources? }], connections, resyncs, wire }`. Its `events` are those that
 * it applied. `wire` has the numbers of the events that the service `sent` by vault, and those that it sent again `unrequested`.
 */
export function checkReceivedEvents({ name, subscriptions }, journals) {
  return subscriptions.flatMap(({ vault, startSeq, events }) => {
    const contradictions = [];
    const report = (problem) => contradictions.push(`${vault}: ${name} ${problem}`);
    let last = startSeq;
    for (const event of events) {
      const { seq } = event;
      const written = eventAt(journals, vault, seq);
      if (seq <= last) report(`received ${seq} after ${last}`);
      else if (seq > last + 1) report(`received ${seq} after ${last} with a gap`);
      if (!written) report(`received ${format(event)}, which the journal lacks`);
      else if (!isDeepStrictEqual(event, written)) report(`received ${format(event)}, where the journal has ${format(written)}`);
      last = Math.max(last, seq);
    }
    return contradictions;
  });
}

/**
 * The service sent each event that the subscriber received, and none again that the subscriber had not requested: by a join with
 * `since`, or by a reconnect with the offset of an earlier event. The official client requests events again that it already emits
 * later or has emitted (see docs/ordering.md), so an event that it received twice is no contradiction by itself.
 */
export function checkSentEvents({ name, subscriptions, wire: { sent, unrequested } }) {
  return [
    ...unrequested.map(({ vault, seq }) => `${vault}: ${name} was sent ${seq} twice without a request`),
    ...subscriptions.flatMap(({ vault, events }) =>
      events.filter(({ seq }) => !sent.get(vault)?.has(seq)).map(({ seq }) => `${vault}: ${name} received ${seq}, which was not sent to it`),
    ),
  ];
}

/** The subscriber received each journal to its end, without a resync. */
function checkCompleteness({ name, subscriptions, resyncs = [] }, journals) {
  const incomplete = subscriptions.flatMap(({ vault, startSeq, events }) => {
    const [last, head] = [events.at(-1)?.seq ?? startSeq, journals.get(vault).at(-1)?.seq];
    return last < head ? [`${vault}: ${name} received nothing after ${last}, but the journal ends at ${head}`] : [];
  });
  return [...incomplete, ...resyncs.map(({ vaultId, seq }) => `${vaultId}: ${name} was asked to resync at ${seq}`)];
}

/** A list that the subscriber read once and updated by events equals the final listing. */
function checkKeptLists({ name, subscriptions }, vaults) {
  return subscriptions
    .filter(({ listedSources }) => listedSources)
    .flatMap(({ vault, events, listedSources }) => {
      const { sources } = vaults.find(({ id }) => id === vault).listing;
      return compareLists(`${vault}: the list of ${name}`, replay(listedSources, events), sources, 'id');
    });
}

/** The final listing equals the replay of the journal. */
function checkListing({ id, owner, name, journal, listing }) {
  const members = new Map([[owner, { userId: owner, role: 'owner' }]]);
  for (const { event, payload } of journal.filter(({ event }) => event.startsWith('member:'))) {
    const { userId, role } = payload.member;
    if (event === 'member:removed') members.delete(userId);
    else members.set(userId, { userId, role });
  }
  const listedMembers = listing.members.map(({ userId, role }) => ({ userId, role }));
  const head = journal.at(-1)?.seq ?? 0;
  const replayedName = journal.findLast(({ event }) => event === 'vault:updated')?.payload.vault.name ?? name;
  return [
    ...compareLists(`${id}: the replay`, replay([], journal), listing.sources, 'id'),
    ...compareLists(`${id}: the replay`, [...members.values()], listedMembers, 'userId'),
    ...(replayedName === listing.name ? [] : [`${id} is listed with the name ${listing.name}, but the journal gives ${replayedName}`]),
    ...(head === listing.seq ? [] : [`${id} is listed at ${listing.seq}, but the journal ends at ${head}`]),
  ];
}

/** Applies events to a list of sources. `source:created` and `source:updated` carry only one of the two timestamps. */
function replay(listedSources, events) {
  const sources = new Map(listedSources.map((source) => [source.id, source]));
  for (const { event, payload } of events) {
    const { source, sourceId } = payload;
    if (event === 'source:created') sources.set(source.id, { ...source, updatedAt: source.createdAt });
    else if (event === 'source:updated') sources.set(source.id, { ...source, createdAt: sources.get(source.id)?.createdAt });
    else if (event === 'source:deleted') sources.delete(sourceId);
  }
  return [...sources.values()];
}

/** Returns the differences between two lists, regardless of their order. */
function compareLists(name, actual, expected, key) {
  const [actualRows, expectedRows] = [actual, expected].map((list) => new Map(list.map((row) => [row[key], row])));
  return [...new Set([...actualRows.keys(), ...expectedRows.keys()])]
    .filter((id) => !isDeepStrictEqual(actualRows.get(id), expectedRows.get(id)))
    .map((id) => `${name} has ${JSON.stringify(actualRows.get(id))}, but the service lists ${JSON.stringify(expectedRows.get(id))}`);
}

/**
 * A connection that was cut while the service ran is recovered, and none is recovered after a kill. A connection is
 * `{ run, isJoined, recovered }`: the run of the service that accepted it, where that is certain, and whether the client had joined
 * its vaults when the connection was lost.
 */
function checkRecoveries({ name, connections }, exits) {
  return connections.slice(1).flatMap(({ run, recovered }, index) => {
    const previous = connections[index];
    if (previous.run === undefined || run === undefined) return [];
    if (previous.run === run) return previous.isJoined && !recovered ? [`${name} was cut in run ${run} of the service, but not recovered`] : [];
    return exits.get(previous.run) === 'killed' && recovered ? [`${name} was recovered in run ${run}, but run ${previous.run} was killed`] : [];
  });
}

function format(event) {
  return event ? JSON.stringify(event) : 'nothing';
}
