// What must be true of a history, whatever happened to the service: of each vault's journal, of each mutation that was
// asked for, and of all that each subscriber was shown. It is given what was seen, asks nobody, and names what contradicts.
//
// A mutation is `{ vault, mark, by, outcome, seq?, says? }`: `mark` is how its event is known (see `markOf`), `says` what the
// answer showed, and `outcome` one of
//   acknowledged  it is in the journal, at `seq`
//   applied       it is in the journal: the answer was lost, and a later one told that it had been done
//   refused       it is not
//   unknown       it is there whole, or not at all

import { isDeepStrictEqual } from 'node:util';

/** All that contradicts in the history of one database. `vaults` are `{ id, owner, name, journal, before, listing }`, where
 * `before` is the part of the journal that was read in earlier lives and `listing` what the other routes say at the end; `made` are
 * the vaults that were asked for meanwhile, each with a key and until there was an answer, and `found` those that are there. */
export function judge({ vaults, made = [], found = [], mutations, subscribers, deaths }) {
  const journals = new Map(vaults.map(({ id, journal }) => [id, journal]));
  return [
    ...vaults.flatMap((vault) => [...gaps(vault), ...rewritten(vault), ...listedOtherwise(vault)]),
    ...foundOtherwise(made, found),
    ...writtenOtherwise(journals, mutations),
    ...subscribers.flatMap((one) => [...shownOtherwise(one, journals), ...unheard(one, journals), ...keptOtherwise(one, vaults)]),
    ...subscribers.flatMap((one) => recoveredOtherwise(one, deaths)),
  ];
}

/** How an event is known: by what its author alone chose, or by what it is about. */
export function markOf({ event, payload: { source, sourceId, member, vault } }) {
  const about = {
    'source:created': () => source.title,
    'source:updated': () => `${source.id} ${source.title}`,
    'source:deleted': () => sourceId,
    'member:added': () => `${member.userId} ${member.role}`,
    'member:updated': () => `${member.userId} ${member.role}`,
    'member:removed': () => member.userId,
    'vault:updated': () => vault.name,
  }[event];
  return `${event} ${about?.()}`;
}

function gaps({ id, journal }) {
  const before = (index) => journal[index - 1]?.seq ?? 0;
  return journal.flatMap(({ seq }, index) => (seq === before(index) + 1 ? [] : [`${id}: its journal has ${seq} after ${before(index)}`]));
}

/** What an earlier life told of the journal is what it says now. */
function rewritten({ id, journal, before = [] }) {
  return before.flatMap((event, index) =>
    isDeepStrictEqual(event, journal[index]) ? [] : [`${id}: its journal had ${brief(event)}, and now has ${brief(journal[index])}`],
  );
}

/** Each vault that was asked for is there, once. */
function foundOtherwise(made, found) {
  const names = (vaults) => vaults.map(({ id, name }) => `${name} (${id})`);
  const [asked, there] = [names(made), names(found)];
  return [
    ...asked.filter((name) => !there.includes(name)).map((name) => `${name} was made, and is missing`),
    ...there.filter((name) => !asked.includes(name)).map((name) => `${name} is there, and nobody made it, or not so often`),
  ];
}

/** What was acknowledged is where it was said to be, and all that is there somebody asked for. */
function writtenOtherwise(journals, mutations) {
  const named = (mutation) => `${mutation.vault}: ${mutation.mark}`;
  const odd = missing(journals, mutations);
  const explained = new Set(mutations.filter(isAcknowledged).map(({ vault, seq }) => `${vault} ${seq}`));
  const [acknowledged, applied, refused, unknown] = ['acknowledged', 'applied', 'refused', 'unknown'].map((outcome) => {
    const byName = new Map();
    for (const mutation of mutations.filter((one) => one.outcome === outcome)) {
      byName.set(named(mutation), [...(byName.get(named(mutation)) ?? []), mutation]);
    }
    return byName;
  });
  for (const [vault, events] of journals) {
    for (const event of events.filter(({ seq }) => !explained.has(`${vault} ${seq}`))) {
      const name = named({ vault, mark: markOf(event) });
      const asked = applied.get(name)?.pop() ?? unknown.get(name)?.pop();
      if (asked) odd.push(...differs(asked, event));
      else if (refused.has(name)) odd.push(`${name} was refused, and is there as ${event.seq}`);
      else if (acknowledged.has(name)) odd.push(`${name} was acknowledged as ${acknowledged.get(name)[0].seq}, and is there as ${event.seq} as well`);
      else odd.push(`${name} is there as ${event.seq}, and nobody asked for it, or not so often`);
    }
  }
  for (const [name, left] of applied) if (left.length > 0) odd.push(`${name} was done as the service said, and is missing`);
  return odd;
}

/** The event number `seq`, which has its own place where there are no gaps. */
function at(journals, vault, seq) {
  const journal = journals.get(vault);
  return journal[seq - 1]?.seq === seq ? journal[seq - 1] : journal.find((event) => event.seq === seq);
}

const isAcknowledged = ({ outcome }) => outcome === 'acknowledged';

/** Of what was acknowledged, what the journals do not say, or say otherwise, or of which two were given one number. */
export function missing(journals, mutations) {
  const told = new Map();
  return mutations.filter(isAcknowledged).flatMap((mutation) => {
    const { vault, mark, seq } = mutation;
    const event = at(journals, vault, seq);
    const place = `${vault} ${seq}`;
    const other = told.get(place);
    told.set(place, mark);
    const tell = (what) => [`${vault}: ${mark} was acknowledged as ${seq}, ${what}`];
    if (other !== undefined) return tell(`and so was ${other}`);
    if (!event) return tell('and is missing');
    if (markOf(event) !== mark) return tell(`where its journal has ${brief(event)}`);
    return differs(mutation, event);
  });
}

/** The event was made by who asked for it, and has what the answer showed. */
function differs({ vault, mark, by, says = {} }, { seq, payload }) {
  const odd = [];
  if (payload.actor?.userId !== by) odd.push(`${vault}: ${mark} was asked for by ${by}, and ${seq} is by ${payload.actor?.userId}`);
  for (const [thing, shown] of Object.entries(says)) {
    const written = payload[thing] ?? {};
    const otherwise = Object.keys(shown).filter((field) => field in written && !isDeepStrictEqual(shown[field], written[field]));
    for (const field of otherwise) {
      odd.push(`${vault}: ${mark} was acknowledged with ${field} ${JSON.stringify(shown[field])}, and ${seq} has ${JSON.stringify(written[field])}`);
    }
  }
  return odd;
}

/** Of what a subscriber was shown, what the journals do not say, and what did not come once and in
 * order. A subscriber is `{ name, rooms: [{ vault, began, heard, listed? }], lives, resyncs }`. */
export function shownOtherwise({ name, rooms }, journals) {
  return rooms.flatMap(({ vault, began, heard }) => {
    const odd = [];
    const tell = (what) => odd.push(`${vault}: ${name} ${what}`);
    const seen = new Set();
    let last = began;
    for (const event of heard) {
      const { seq } = event;
      const written = at(journals, vault, seq);
      if (seen.has(seq)) tell(`was shown ${seq} twice`);
      else if (seq <= last) tell(`was shown ${seq} after ${last}`);
      else if (seq > last + 1) tell(`was shown ${seq} after ${last}, and nothing in between`);
      if (!written) tell(`was shown ${brief(event)}, which its journal does not have`);
      else if (!isDeepStrictEqual(event, written)) tell(`was shown ${brief(event)}, where its journal has ${brief(written)}`);
      seen.add(seq);
      last = Math.max(last, seq);
    }
    return odd;
  });
}

/** What a subscriber was not shown to the end. */
function unheard({ name, rooms, resyncs = [] }, journals) {
  const told = rooms.flatMap(({ vault, began, heard }) => {
    const [last, head] = [heard.at(-1)?.seq ?? began, journals.get(vault).at(-1)?.seq];
    return last < head ? [`${vault}: ${name} was shown nothing after ${last}, and its journal ends at ${head}`] : [];
  });
  return [...told, ...resyncs.map(({ vaultId, seq }) => `${vaultId}: ${name} was told at ${seq} to list anew`)];
}

/** Who listed the sources once and kept the list up to date has what the service lists. */
function keptOtherwise({ name, rooms }, vaults) {
  return rooms
    .filter(({ listed }) => listed)
    .flatMap(({ vault, heard, listed }) => {
      const { sources } = vaults.find(({ id }) => id === vault).listing;
      return apart(`${vault}: the list of ${name}`, replayed(listed, heard), sources, 'id');
    });
}

/** The service lists what its journal comes to. */
function listedOtherwise({ id, owner, name, journal, listing }) {
  const members = new Map([[owner, { userId: owner, role: 'owner' }]]);
  for (const { event, payload } of journal.filter(({ event }) => event.startsWith('member:'))) {
    const { userId, role } = payload.member;
    if (event === 'member:removed') members.delete(userId);
    else members.set(userId, { userId, role });
  }
  const listed = listing.members.map(({ userId, role }) => ({ userId, role }));
  const head = journal.at(-1)?.seq ?? 0;
  const called = journal.findLast(({ event }) => event === 'vault:updated')?.payload.vault.name ?? name;
  return [
    ...apart(`${id}: the replay`, replayed([], journal), listing.sources, 'id'),
    ...apart(`${id}: the replay`, [...members.values()], listed, 'userId'),
    ...(called === listing.name ? [] : [`${id} is called ${listing.name}, and by its journal ${called}`]),
    ...(head === listing.seq ? [] : [`${id} stands at ${listing.seq}, and its journal ends at ${head}`]),
  ];
}

/** What a list of sources comes to with these events. That it was made or changed is told with the one time, and not the other. */
function replayed(listed, events) {
  const sources = new Map(listed.map((source) => [source.id, source]));
  for (const { event, payload } of events) {
    const { source, sourceId } = payload;
    if (event === 'source:created') sources.set(source.id, { ...source, updatedAt: source.createdAt });
    else if (event === 'source:updated') sources.set(source.id, { ...source, createdAt: sources.get(source.id)?.createdAt });
    else if (event === 'source:deleted') sources.delete(sourceId);
  }
  return [...sources.values()];
}

/** In what two lists differ, whatever their order. */
function apart(whose, ours, theirs, key) {
  const [mine, listed] = [ours, theirs].map((list) => new Map(list.map((one) => [one[key], one])));
  return [...new Set([...mine.keys(), ...listed.keys()])]
    .filter((id) => !isDeepStrictEqual(mine.get(id), listed.get(id)))
    .map((id) => `${whose} has ${JSON.stringify(mine.get(id))}, and the service lists ${JSON.stringify(listed.get(id))}`);
}

/** Whose connection alone was cut was recovered, and nobody was whose service had been killed. Each of a subscriber's `lives` is
 * `{ life, isIn, recovered }`: the life of the service that it was in, where that is certain, and whether it was in its rooms when it
 * was cut; `deaths` says of each life whether it ended with a kill, and nothing else. */
function recoveredOtherwise({ name, lives }, deaths) {
  return lives.slice(1).flatMap(({ life, recovered }, index) => {
    const before = lives[index];
    if (before.life === undefined || life === undefined) return [];
    if (before.life === life) return before.isIn && !recovered ? [`${name} was cut in life ${life} of the service, and not recovered`] : [];
    return deaths.get(before.life) === 'killed' && recovered ? [`${name} was recovered in life ${life}, and life ${before.life} was killed`] : [];
  });
}

function brief(event) {
  return event ? JSON.stringify(event) : 'nothing';
}
