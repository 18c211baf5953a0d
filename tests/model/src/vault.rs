//! The vault's actor: one mailbox, one transaction in flight, one relay to tell.
//!
//! As in `src/vault/`: `commits.rs` (a batch is begun, written, told), `attach.rs` (who is told what follows which place),
//! `abreast.rs` (joins wait until it is known where the journal stands), `listeners.rs` (who is counted in, and which sink is
//! behind), `ring.rs` and `reading.rs`. A handler is one step, and so is each future that it spawns.

use crate::{
    bounds::{Bounds, Change, Mistake},
    journal::{Answer, Seq, Shared, Transaction, Written},
    relay::{Attached, Joined, Mail, Then},
    world::Process,
};

/// Names a seat: each socket takes one at most.
pub type SubscriberId = u8;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct VaultActor {
    /// Where it stands; nothing while it is being opened.
    pub standing: Option<Open>,
    pub mailbox: Vec<Message>,
    pub pending: Vec<u8>,
    pub in_flight: bool,
    pub begun: u8,
    /// Who is counted in, and whose he is.
    pub subscribers: Vec<(SubscriberId, u8)>,
    /// The relay had no room; it is sent nothing until it has caught up.
    pub behind: bool,
    pub joining: Joining,
    /// Whose questions are still waited for, under which tickets.
    pub reading: Vec<(SubscriberId, u8)>,
    /// Pages that are being read from the journal.
    pub pages: Vec<Page>,
    /// The journal is read for what this vault has missed: nobody could tell of a commit, or another process wrote.
    pub missed: Option<Missed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Open {
    pub head: Seq,
    /// Memory has every event after this one.
    pub ring: Seq,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    Submit(u8),
    Subscribe(Subscribe),
    Leave(SubscriberId),
    CaughtUp,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscribe {
    pub subscriber: SubscriberId,
    pub client: u8,
    pub ticket: u8,
    pub attach: Attach,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attach {
    Join,
    JoinSince(Seq),
    Resume { after: Seq, joined_at: Seq },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Joining {
    pub waiting: Vec<Join>,
    pub look: Look,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Join {
    subscribe: Subscribe,
    begun: u8,
    place: Option<Seq>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Look {
    #[default]
    Nothing,
    /// The head is being read; was read, when it is known.
    Reading(Vec<Join>, Option<Seq>),
    Ahead(Seq, Vec<Join>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Page {
    subscribe: Subscribe,
    place: Seq,
    /// What was read, when it was.
    pub read: Option<Vec<Seq>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Missed {
    LookAgain,
    CatchUp,
}

impl Process {
    /// The actor that is alive; whoever names the vault starts it.
    pub fn vault(&mut self) -> &mut VaultActor {
        self.vault.get_or_insert_default()
    }

    /// Whether a vault that is being opened may be read: whoever had it before has nothing in flight any longer.
    pub fn may_open(&self, bounds: &Bounds) -> bool {
        let waits = bounds.mistake != Some(Mistake::SecondActorWhileATransactionIsOut);
        self.vault
            .as_ref()
            .is_some_and(|vault| vault.standing.is_none())
            && (!waits || self.tenures.is_empty())
    }

    pub fn open(&mut self, shared: &Shared) {
        let head = shared.journal.head();
        self.vault().standing = Some(Open { head, ring: head });
    }

    /// The actor dies: what waits there is answered, and its relay told.
    pub fn panic(&mut self, shared: &mut Shared, bounds: &Bounds) {
        let Some(vault) = self.vault.take() else {
            return;
        };
        shared.fates.panics -= 1;
        let submitted = vault.mailbox.iter().filter_map(|message| match message {
            Message::Submit(mutation) => Some(mutation),
            Message::Subscribe(_) | Message::Leave(_) | Message::CaughtUp => None,
        });
        for mutation in vault.pending.iter().chain(submitted) {
            shared.answers[usize::from(*mutation)] = Answer::Failed;
        }
        for transaction in &mut self.tenures {
            transaction.orphaned = true;
        }
        self.tell_orphans(shared);
        let subscribes = |message: &Message| matches!(message, Message::Subscribe(_));
        let awaited = vault.mailbox.iter().any(subscribes)
            || !vault.pages.is_empty()
            || !vault.joining.waiting.is_empty()
            || vault.joining.look != Look::Nothing;
        if (awaited || !vault.subscribers.is_empty())
            && bounds.mistake != Some(Mistake::DiesInSilence)
        {
            self.mail.push(Mail::FellBehind);
        }
    }

    /// The next message of the mailbox.
    pub fn handle(&mut self, shared: &Shared, bounds: &Bounds) {
        match self.vault().mailbox.remove(0) {
            Message::Submit(mutation) => self.vault().pending.push(mutation),
            Message::Subscribe(subscribe) => {
                let ahead = |after| after > self.head();
                match subscribe.attach {
                    Attach::Join | Attach::JoinSince(_) => self.join_abreast(subscribe),
                    Attach::Resume { after, .. } if ahead(after) => self.join_abreast(subscribe),
                    Attach::Resume { .. } => self.attach(subscribe, None, shared, bounds),
                }
            }
            Message::Leave(subscriber) => {
                self.vault()
                    .subscribers
                    .retain(|(one, _)| *one != subscriber);
                self.vault().reading.retain(|(one, _)| *one != subscriber);
            }
            Message::CaughtUp => {
                let vault = self.vault();
                (vault.behind, vault.subscribers, vault.reading) = (false, Vec::new(), Vec::new());
            }
        }
    }

    pub fn head(&self) -> Seq {
        let open = self
            .vault
            .as_ref()
            .and_then(|vault| vault.standing.as_ref());
        open.map_or(0, |open| open.head)
    }

    // commits.rs

    pub fn can_commit(&self) -> bool {
        let ready = |vault: &VaultActor| {
            vault.standing.is_some() && !vault.in_flight && !vault.pending.is_empty()
        };
        self.vault.as_ref().is_some_and(ready)
    }

    /// What waits becomes one transaction.
    pub fn commit_next(&mut self, shared: &mut Shared, bounds: &Bounds) {
        let head = self.head();
        let vault = self.vault();
        let size = vault.pending.len().min(bounds.commit_batch);
        let mutations: Vec<_> = vault.pending.drain(..size).collect();
        (vault.in_flight, vault.begun) = (true, vault.begun + 1);
        let (first, last) = (head + 1, head + mutations.len() as Seq);
        let transaction = Transaction {
            mutations,
            head,
            written: None,
            orphaned: false,
        };
        match bounds.mistake {
            Some(Mistake::PublishBeforeCommit) => self.publish(first..=last, shared, bounds),
            Some(Mistake::AnswerBeforeCommit) => {
                transaction.answer(&Written::Committed(first), shared)
            }
            Some(_) | None => {}
        }
        self.tenures.push(transaction);
    }

    /// The transaction that this actor began has ended.
    pub fn is_told(&self) -> bool {
        let told = |one: &Transaction| !one.orphaned && one.written.is_some();
        self.vault.is_some() && self.tenures.iter().any(told)
    }

    pub fn committed(&mut self, shared: &mut Shared, bounds: &Bounds) {
        let Some(at) = self.tenures.iter().position(|one| !one.orphaned) else {
            return;
        };
        let transaction = self.tenures.remove(at);
        let Some(mut written) = transaction.written.clone() else {
            return;
        };
        if written == Written::Unknown && bounds.mistake == Some(Mistake::UnknownIsFailure) {
            written = Written::RolledBack;
        }
        match written {
            Written::Committed(first) => {
                let last = first + transaction.mutations.len() as Seq - 1;
                self.precede(first);
                if bounds.mistake != Some(Mistake::PublishBeforeCommit) {
                    self.publish(self.head() + 1..=last, shared, bounds);
                }
                transaction.answer(&written, shared);
                self.go_on(shared, bounds);
            }
            Written::RolledBack => {
                let pending = std::mem::take(&mut self.vault().pending);
                let waiting = Transaction {
                    mutations: pending,
                    ..transaction.clone()
                };
                waiting.answer(&written, shared);
                transaction.answer(&written, shared);
                self.go_on(shared, bounds);
            }
            Written::Unknown => {
                transaction.answer(&written, shared);
                self.vault().missed = Some(Missed::LookAgain);
            }
        }
    }

    fn go_on(&mut self, shared: &Shared, bounds: &Bounds) {
        self.vault().in_flight = false;
        // look_on
        if let Look::Ahead(head, _) = self.vault().joining.look {
            let joins = self.take_joins();
            self.vault().joining.look = Look::Reading(joins, Some(head));
            self.seen(shared, bounds);
        }
    }

    /// Learns from the journal what this vault has missed, and publishes it.
    pub fn read_missed(&mut self, shared: &Shared, bounds: &Bounds) {
        let missed = self.vault().missed.take();
        let (first, last) = (self.head() + 1, shared.journal.head());
        match missed {
            Some(Missed::LookAgain) if first <= last => self.precede(first),
            Some(Missed::LookAgain | Missed::CatchUp) | None => {}
        }
        self.publish(first..=last, shared, bounds);
        if missed == Some(Missed::CatchUp) {
            self.let_in(shared, bounds);
        }
        self.go_on(shared, bounds);
    }

    /// Takes in what is on disk and tells it to the subscribers, event by event.
    fn publish(&mut self, seqs: impl Iterator<Item = Seq>, shared: &Shared, bounds: &Bounds) {
        for seq in seqs {
            if let Some(open) = &mut self.vault().standing {
                open.head = seq;
                open.ring = open.ring.max(seq.saturating_sub(bounds.kept));
            }
            if !self.vault().subscribers.is_empty() {
                self.tell(Mail::Event(seq), bounds);
            }
            if let Change::Remove(client) = shared.journal.change(bounds, seq) {
                self.dismiss(client, bounds);
            }
        }
    }

    // listeners.rs

    /// Hands a notice to the relay; if it has no room it is left out until it has caught up.
    fn tell(&mut self, mail: Mail, bounds: &Bounds) {
        if self.vault().behind {
            return;
        }
        let apart = bounds.mistake == Some(Mistake::ReplyAndPushApart)
            && matches!(mail, Mail::Attached(..));
        if apart {
            return self.replies.push(mail);
        }
        if self.has_places(&mail, bounds) {
            return self.mail.push(mail);
        }
        let vault = self.vault();
        (vault.behind, vault.subscribers) = (true, Vec::new());
        self.mail.push(Mail::FellBehind);
    }

    fn dismiss(&mut self, client: u8, bounds: &Bounds) {
        let subscribers = &mut self.vault().subscribers;
        let gone: Vec<_> = subscribers
            .extract_if(.., |(_, whose)| *whose == client)
            .collect();
        if !gone.is_empty() {
            self.tell(
                Mail::Removed(gone.into_iter().map(|(id, _)| id).collect()),
                bounds,
            );
        }
    }

    // abreast.rs

    fn join_abreast(&mut self, subscribe: Subscribe) {
        let vault = self.vault();
        vault.begin_reading(&subscribe);
        vault.joining.waiting.push(Join {
            subscribe,
            begun: vault.begun,
            place: None,
        });
        vault.look();
    }

    /// The last transaction that began has made events, of which this is the first.
    fn precede(&mut self, first: Seq) {
        let VaultActor { joining, begun, .. } = self.vault();
        let looked = match &mut joining.look {
            Look::Nothing => &mut Vec::new(),
            Look::Reading(joins, _) | Look::Ahead(_, joins) => joins,
        };
        for join in looked.iter_mut().chain(&mut joining.waiting) {
            if join.begun < *begun {
                join.place.get_or_insert(first - 1);
            }
        }
    }

    fn take_joins(&mut self) -> Vec<Join> {
        match std::mem::take(&mut self.vault().joining.look) {
            Look::Nothing => Vec::new(),
            Look::Reading(joins, _) | Look::Ahead(_, joins) => joins,
        }
    }

    /// The journal was seen at this place.
    pub fn seen(&mut self, shared: &Shared, bounds: &Bounds) {
        let Look::Reading(_, Some(head)) = self.vault().joining.look else {
            return;
        };
        if self.head() >= head {
            self.let_in(shared, bounds);
        } else if self.vault().in_flight {
            let joins = self.take_joins();
            self.vault().joining.look = Look::Ahead(head, joins);
        } else {
            (self.vault().in_flight, self.vault().missed) = (true, Some(Missed::CatchUp));
        }
    }

    fn let_in(&mut self, shared: &Shared, bounds: &Bounds) {
        for Join {
            subscribe, place, ..
        } in self.take_joins()
        {
            if self.vault().end_reading(&subscribe) {
                self.attach(subscribe, place, shared, bounds);
            }
        }
        self.vault().look();
    }

    // attach.rs

    fn attach(
        &mut self,
        subscribe: Subscribe,
        place: Option<Seq>,
        shared: &Shared,
        bounds: &Bounds,
    ) {
        self.vault()
            .reading
            .retain(|(one, _)| *one != subscribe.subscriber);
        if self.vault().behind {
            return; // it attaches everybody again when it has caught up
        }
        let since = match subscribe.attach {
            Attach::Join => place,
            Attach::JoinSince(seq) => Some(seq),
            Attach::Resume { after, .. } => {
                return self.tell_after(subscribe, after.saturating_sub(1), shared, bounds);
            }
        };
        let head = self.head();
        match since {
            _ if !shared.journal.admits(bounds, subscribe.client, head) => {
                self.answer(subscribe, None, Vec::new(), Then::Refused, bounds);
            }
            Some(seq) if seq <= head => self.tell_after(subscribe, seq, shared, bounds),
            Some(_) | None => self.join_anew(subscribe, bounds),
        }
    }

    /// Tells what follows a place, from memory or from the journal.
    fn tell_after(&mut self, subscribe: Subscribe, place: Seq, shared: &Shared, bounds: &Bounds) {
        match self.ring_after(place) {
            Some(missed) => self.tell_page(subscribe, place, missed, true, shared, bounds),
            None if bounds.mistake == Some(Mistake::TrimsWithoutTheJournal) => {
                self.tell_page(subscribe, place, Vec::new(), true, shared, bounds);
            }
            None => {
                self.vault().begin_reading(&subscribe);
                self.vault().pages.push(Page {
                    subscribe,
                    place,
                    read: None,
                });
            }
        }
    }

    pub fn page_read(&mut self, n: usize, shared: &Shared, bounds: &Bounds) {
        let Page {
            subscribe,
            place,
            read,
        } = self.vault().pages.remove(n);
        if !self.vault().end_reading(&subscribe) {
            return; // he has left meanwhile, or asked anew
        }
        let head = self.head();
        let mut page = read.unwrap_or_default();
        page.retain(|seq| *seq <= head);
        let rest = self.ring_after(page.last().copied().unwrap_or(place));
        let complete = rest.is_some();
        let whole = page.first().map_or(complete, |first| *first == place + 1);
        page.extend(rest.into_iter().flatten());
        match subscribe.attach {
            _ if whole => self.tell_page(subscribe, place, page, complete, shared, bounds),
            // What follows is no longer kept.
            Attach::Join | Attach::JoinSince(_)
                if shared.journal.admits(bounds, subscribe.client, head) =>
            {
                self.join_anew(subscribe, bounds);
            }
            Attach::Join | Attach::JoinSince(_) => {
                self.answer(subscribe, None, Vec::new(), Then::Refused, bounds)
            }
            Attach::Resume { .. } => self.answer(subscribe, None, Vec::new(), Then::Lost, bounds),
        }
    }

    /// Tells a page of these events after a place; says that there is more, or counts him in when that is all.
    fn tell_page(
        &mut self,
        subscribe: Subscribe,
        place: Seq,
        mut events: Vec<Seq>,
        complete: bool,
        shared: &Shared,
        bounds: &Bounds,
    ) {
        let head = self.head();
        let more = !complete || events.len() > bounds.page.into();
        events.truncate(bounds.page.into());
        let admitted = shared.journal.admits(bounds, subscribe.client, head);
        // Who has been removed since hears that, and nothing after it, whatever he is now.
        let mut cut_at_end = |joined_at| {
            let removes =
                |seq: &Seq| shared.journal.change(bounds, *seq) == Change::Remove(subscribe.client);
            let end = events
                .iter()
                .position(|seq| *seq > joined_at && removes(seq));
            let end = end.filter(|_| bounds.mistake != Some(Mistake::ForgetsTheRemoval));
            end.inspect(|end| events.truncate(end + 1)).is_some()
        };
        let ended = match subscribe.attach {
            Attach::Resume { joined_at, .. } => cut_at_end(joined_at),
            Attach::Join if bounds.mistake != Some(Mistake::JoinsThroughHisRemoval) => {
                cut_at_end(place)
            }
            Attach::Join | Attach::JoinSince(_) => false,
        };
        let joined = match subscribe.attach {
            Attach::Resume { .. } => None,
            Attach::Join | Attach::JoinSince(_) if !admitted => {
                return self.answer(subscribe, None, Vec::new(), Then::Refused, bounds);
            }
            Attach::JoinSince(_) => Some(Joined {
                seq: head,
                replayed: Some(head - place),
                resync: false,
            }),
            Attach::Join => Some(Joined {
                seq: place,
                replayed: None,
                resync: false,
            }),
        };
        let then = match () {
            () if ended => Then::Removed,
            () if more => Then::More,
            () if admitted => Then::Live,
            () => Then::Removed,
        };
        self.answer(subscribe, joined, events, then, bounds);
    }

    /// Counts somebody in from now on; if he named an event, it is not one that he could go on from.
    fn join_anew(&mut self, subscribe: Subscribe, bounds: &Bounds) {
        let resync = subscribe.attach != Attach::Join;
        let joined = Joined {
            seq: self.head(),
            replayed: None,
            resync,
        };
        self.answer(subscribe, Some(joined), Vec::new(), Then::Live, bounds);
    }

    fn answer(
        &mut self,
        subscribe: Subscribe,
        joined: Option<Joined>,
        events: Vec<Seq>,
        then: Then,
        bounds: &Bounds,
    ) {
        let Subscribe {
            subscriber,
            client,
            ticket,
            ..
        } = subscribe;
        if then != Then::Refused {
            // What happens until he asks again, he is told when he does.
            self.vault()
                .subscribers
                .retain(|(one, _)| *one != subscriber);
        }
        let live = then == Then::Live;
        self.tell(
            Mail::Attached(
                subscriber,
                Attached {
                    ticket,
                    joined,
                    events,
                    then,
                },
            ),
            bounds,
        );
        let vault = self.vault();
        if live && !vault.behind {
            vault.subscribers.push((subscriber, client));
            vault.subscribers.sort_unstable();
        }
    }

    /// What memory has after a place.
    fn ring_after(&self, place: Seq) -> Option<Vec<Seq>> {
        let Open { head, ring } = self.vault.as_ref()?.standing.as_ref()?;
        (*ring <= place && place <= *head).then(|| (place + 1..=*head).collect())
    }
}

impl Page {
    pub fn place(&self) -> Seq {
        self.place
    }
}

impl VaultActor {
    fn look(&mut self) {
        if self.joining.look == Look::Nothing && !self.joining.waiting.is_empty() {
            self.joining.look = Look::Reading(std::mem::take(&mut self.joining.waiting), None);
        }
    }

    fn begin_reading(&mut self, subscribe: &Subscribe) {
        self.reading.retain(|(one, _)| *one != subscribe.subscriber);
        self.reading.push((subscribe.subscriber, subscribe.ticket));
        self.reading.sort_unstable();
    }

    /// Ends it; whether it was still waited for.
    fn end_reading(&mut self, subscribe: &Subscribe) -> bool {
        let one = (subscribe.subscriber, subscribe.ticket);
        let awaited = self.reading.contains(&one);
        self.reading.retain(|other| *other != one);
        awaited
    }
}
