//! What holds of a relay whatever happens to its sockets: random clients join, leave, read, are cut and come back, while a
//! real vault tells what random people do in it, and the relay is left out at random.

use std::{collections::VecDeque, mem, time::Duration};

use actix::System;
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::Value;

use super::*;
use crate::{
    domain::{
        Command, Mutation, NewSource, Principal, Role, Seq, SourceId, UserId, UserRef,
        ids::MembershipId,
    },
    engineio::{self, OutboxBounds},
    gateway::{
        bounds::Taken,
        offset::Offset,
        trace::{Resumed, Trace},
    },
    journal::{Database, DatabaseOptions, Journal, NewVault, Retention},
    socketio::Socket,
    vault::{VaultOptions, Vaults},
};

const SOCKETS: usize = 3;
/// Places of the relay.
const PLACES: usize = 40;
/// Frames of an outbox.
const FRAMES: usize = 48;
const AT_LAST: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
enum Op {
    /// So many sources are posted at once, and nobody waits.
    Post(usize),
    /// One is posted and its answer awaited.
    Settle,
    Join(usize),
    JoinSince(usize, u64),
    Leave(usize),
    Read(usize),
    /// The connection is lost with all that is under way; the client comes back.
    Cut(usize),
    /// A heartbeat is answered.
    Beat(usize),
    Remove(usize),
    Add(usize),
    /// The relay has no room from here on, or has it again.
    Stall,
    Go,
}

fn op() -> impl Strategy<Value = Op> {
    let one = 0..SOCKETS;
    prop_oneof![
        4 => (1..8_usize).prop_map(Op::Post),
        1 => (20..60_usize).prop_map(Op::Post),
        6 => Just(Op::Settle),
        4 => one.clone().prop_map(Op::Join),
        3 => (one.clone(), 0..4_u64).prop_map(|(n, back)| Op::JoinSince(n, back)),
        2 => one.clone().prop_map(Op::Leave),
        5 => one.clone().prop_map(Op::Read),
        3 => one.clone().prop_map(Op::Cut),
        2 => one.clone().prop_map(Op::Beat),
        1 => one.clone().prop_map(Op::Remove),
        2 => one.prop_map(Op::Add),
        2 => Just(Op::Stall),
        2 => Just(Op::Go),
    ]
}

fn person(name: &str) -> Principal {
    Principal {
        id: UserId::new(name).unwrap(),
        name: Some(name.to_owned()),
        email: None,
    }
}

fn user(n: usize) -> UserId {
    person(&format!("u{n}")).id
}

fn post() -> Command {
    Command::CreateSource {
        id: SourceId::generate(),
        source: NewSource {
            title: "notes".to_owned(),
            file_url: "https://files.example/a.pdf".to_owned(),
            file_key: None,
            file_size: None,
            mime_type: "application/pdf".to_owned(),
        },
    }
}

fn add(n: usize) -> Command {
    Command::AddMember {
        id: MembershipId::generate(),
        user: UserRef::Id(user(n)),
        role: Role::Viewer,
    }
}

/// A vault, a relay, and clients on it.
struct World {
    vault: VaultHandle,
    relay: Relay,
    clients: Vec<Client>,
    stalled: Option<Taken>,
}

/// A client: its socket, and what it knows.
struct Client {
    user: UserId,
    engine: engineio::Socket,
    listener: Listener,
    seat: Option<SubscriberId>,
    ear: Ear,
}

#[derive(Default)]
struct Ear {
    /// It is in, and knows everything up to this event.
    known: Option<u64>,
    /// Where the vault stood when it joined: a removal before that is history.
    joined_at: u64,
    /// Joins that were not answered.
    asked: VecDeque<Asked>,
    /// The removal was heard, and what says so is to follow.
    is_removed: bool,
    offset: Option<Offset>,
}

#[derive(Debug)]
enum Asked {
    Join,
    Since(u64),
    /// To be told again.
    Again,
}

impl Asked {
    fn of(attach: &Attach) -> Self {
        match attach {
            Attach::JoinSince { seq, .. } => Self::Since(seq.0),
            Attach::Join | Attach::Resume { .. } => Self::Join,
        }
    }
}

impl Ear {
    fn hear(&mut self, user: &UserId, text: &str) {
        let said = text.strip_prefix("42").expect("an event of Socket.IO");
        let said: Vec<Value> = serde_json::from_str(said).unwrap();
        let (name, payload) = (said[0].as_str().unwrap(), &said[1]);
        if let Some(offset) = said.get(2) {
            self.offset = Some(Offset::told(offset.as_str().unwrap()));
        }
        let number = |field: &str| payload.get(field).and_then(Value::as_u64);
        match name {
            "vault:joined" => {
                let (seq, replayed) = (number("seq").unwrap(), number("replayed"));
                let after = seq - replayed.unwrap_or(0);
                match self
                    .asked
                    .pop_front()
                    .expect("joined, and nobody had asked")
                {
                    Asked::Join => {
                        assert_eq!(replayed, None);
                        // What it was owed came first.
                        assert_eq!(self.known.unwrap_or(seq), seq, "it joins where it has come");
                    }
                    Asked::Since(n) if payload.get("resync").is_none() => assert_eq!(after, n),
                    Asked::Since(_) | Asked::Again => {}
                }
                (self.known, self.joined_at) = (Some(after), seq);
            }
            "error" if mem::take(&mut self.is_removed) => {}
            "error" => drop(
                self.asked
                    .pop_front()
                    .expect("refused, and nobody had asked"),
            ),
            event => {
                let seq = number("seq").unwrap();
                let known = self.known.expect("an event, and it is not in");
                assert_eq!(seq, known + 1, "{event}");
                let is_his = payload["member"]["userId"] == *user.as_str();
                self.is_removed = event == "member:removed" && is_his && seq > self.joined_at;
                self.known = Some(seq).filter(|_| !self.is_removed);
            }
        }
    }
}

impl Client {
    fn connect(n: usize) -> Self {
        let user = user(n);
        let engine = engineio::Socket::detached(engineio::Config {
            outbox: OutboxBounds::new(FRAMES, 1 << 20),
            ..engineio::Config::default()
        });
        let socket = Socket::connected("/", engine.clone());
        let listener = Listener::new(socket, user.clone(), Some(Trace::begin(None)));
        Self {
            user,
            engine,
            listener,
            seat: None,
            ear: Ear::default(),
        }
    }

    fn read(&mut self) {
        for frame in self.engine.take_all() {
            let engineio::Frame::Text(text) = frame else {
                panic!("events are text");
            };
            self.ear.hear(&self.user, &text);
        }
    }
}

impl World {
    async fn new(vaults: &Vaults) -> Self {
        let id = VaultId::generate();
        let new = NewVault {
            id: id.clone(),
            membership: MembershipId::generate(),
            name: "Physics".to_owned(),
            by: person("ana"),
            key: None,
        };
        vaults.create(new).await.unwrap();
        let history = (vaults.journal().epoch(), true);
        let world = Self {
            vault: vaults.open(&id),
            relay: Relay::start(Bounds::new(PLACES, AT_LAST), history, Meters::default()),
            clients: (0..SOCKETS).map(Client::connect).collect(),
            stalled: None,
        };
        for n in 0..SOCKETS {
            world.done(add(n)).await;
        }
        world
    }

    /// Where the vault stands after this, if it was done.
    fn submit(&self, command: Command) -> impl Future<Output = Option<u64>> + use<> {
        let mutation = Mutation {
            by: person("ana"),
            command,
            key: None,
        };
        let answer = self.vault.submit(mutation);
        async move { answer.await.ok().map(|answer| answer.seq.0) }
    }

    async fn done(&self, command: Command) -> u64 {
        self.submit(command).await.expect("a mutation is done")
    }

    fn join(&mut self, n: usize, attach: Attach) {
        let client = &mut self.clients[n];
        client.ear.asked.push_back(Asked::of(&attach));
        let seat = self.relay.join(
            self.vault.clone(),
            client.seat,
            &client.listener,
            (attach, None),
        );
        client.seat = Some(seat);
    }

    fn leave(&mut self, n: usize) {
        let client = &mut self.clients[n];
        // What is before the acknowledgement may still be heard.
        client.read();
        if let Some(seat) = client.seat.take() {
            self.relay.leave(self.vault.id(), seat);
        }
        let offset = client.ear.offset.take();
        client.ear = Ear {
            offset,
            ..Ear::default()
        };
    }

    /// As `connection/presence.rs` and `recovery.rs` do it.
    fn cut(&mut self, n: usize) {
        let mut client = mem::replace(&mut self.clients[n], Client::connect(n));
        let trace = client.listener.trace(mem::take).expect("it may come back");
        let mut pending = Vec::new();
        if let Some(seat) = client.seat {
            pending = self.relay.joins(self.vault.id(), seat);
            self.relay.leave(self.vault.id(), seat);
        }
        let Some(mut resumed) = trace.recover(client.ear.offset.as_ref()) else {
            return;
        };
        if !pending.is_empty() && resumed.is_empty() {
            resumed.push(Resumed {
                vault: self.vault.id().clone(),
                seen: None,
                joined: None,
                joins: Vec::new(),
            });
        }
        let Some(mut last) = resumed.pop() else {
            assert_eq!(
                client.ear.known, None,
                "it is in, and its trace knows nothing of it"
            );
            return;
        };
        if !resumed.is_empty() {
            return; // a subscription that has ended, and another: not told apart here
        }
        last.joins.extend(pending);
        let new = &mut self.clients[n];
        let (known, seen) = (client.ear.known, last.seen.map(|(seq, _)| seq.0));
        if last.joined.is_none() {
            assert!(
                known.is_none() || known == seen,
                "{known:?} is known, {seen:?} was seen"
            );
            new.ear.known = seen;
        }
        new.ear.joined_at = last.seen.map_or(0, |(_, joined_at)| joined_at.0);
        new.ear.offset = client.ear.offset.take();
        new.ear
            .asked
            .extend(last.joined.iter().map(|_| Asked::Again));
        new.ear.asked.extend(last.joins.iter().map(Asked::of));
        let seat = self.relay.resume(self.vault.clone(), &new.listener, last);
        new.seat = Some(seat);
    }

    async fn step(&mut self, op: Op) {
        match op {
            Op::Post(count) => (0..count).for_each(|_| drop(self.submit(post()))),
            Op::Settle => drop(self.submit(post()).await),
            Op::Join(n) => self.join(n, Attach::Join),
            Op::JoinSince(n, back) => {
                let known = self.clients[n].ear.known.unwrap_or(0);
                let seq = Seq(known.saturating_sub(back));
                self.join(n, Attach::JoinSince { seq, epoch: None });
            }
            Op::Leave(n) => self.leave(n),
            Op::Read(n) => self.clients[n].read(),
            Op::Cut(n) => self.cut(n),
            Op::Beat(n) => {
                let client = &mut self.clients[n];
                client.listener.trace(Trace::pinged);
                client.read();
                client.listener.trace(Trace::answered);
            }
            Op::Remove(n) => {
                let user = user(n);
                drop(self.submit(Command::RemoveMember { user }));
            }
            Op::Add(n) => drop(self.submit(add(n))),
            Op::Stall => {
                let places = self.relay.0.sink.places.clone();
                let all_that_are_free = || places.take(PLACES - places.taken());
                self.stalled = self.stalled.take().or_else(all_that_are_free);
            }
            Op::Go => self.stalled = None,
        }
        self.check_invariants();
    }

    fn check_invariants(&mut self) {
        self.relay.check_invariants();
        for n in 0..SOCKETS {
            // Its outbox was full, or it could not be told what it missed.
            if !self.clients[n].listener.socket.is_connected() {
                self.clients[n].read();
                self.cut(n);
            }
        }
    }

    /// Everybody who is in hears everything.
    async fn everybody_hears_all(&mut self) {
        self.stalled = None;
        let head = self.done(post()).await;
        let all = async {
            loop {
                self.clients.iter_mut().for_each(Client::read);
                self.check_invariants();
                let up_to_date = |client: &Client| {
                    client.ear.asked.is_empty() && client.ear.known.unwrap_or(head) == head
                };
                if self.clients.iter().all(up_to_date) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let all = tokio::time::timeout(AT_LAST, all).await;
        all.expect("everybody hears everything at last");
    }
}

impl Relay {
    fn check_invariants(&self) {
        assert!(self.0.sink.places.taken() <= PLACES);
        for room in self.0.rooms.borrow().values() {
            assert!(!room.seats.is_empty(), "a room that nobody sits in is gone");
            let most = self.0.bounds.relay_mailbox() / 4 / PAGE;
            assert!(room.pages.free() <= most.max(1));
            for seat in room.seats.values() {
                assert!(
                    !seat.live || seat.q.is_some(),
                    "who is counted in has joined"
                );
                assert!(
                    seat.errand.is_some() || seat.need().is_none(),
                    "nobody is forgotten"
                );
                if let Some(Errand::Asked(asked)) = &seat.errand {
                    assert!(!asked.joins || !seat.joins.is_empty());
                    assert!(asked.ticket < self.0.tickets.get());
                }
            }
        }
    }
}

async fn vaults(url: String) -> Vaults {
    let options = DatabaseOptions {
        url,
        full_sync: false,
    };
    let database = Database::connect(&options).await.unwrap();
    database.migrate().await.unwrap();
    let everything = Retention {
        events: u64::MAX,
        age: Duration::MAX,
    };
    let journal = Journal::open(database, everything, Default::default())
        .await
        .unwrap();
    let options = VaultOptions {
        mailbox: 1024,
        commit_batch: 64,
        idle: AT_LAST,
        threads: 2,
    };
    Vaults::new(journal, options, Default::default())
}

#[test]
fn whatever_happens_to_a_socket_it_hears_each_event_once_in_order_and_all_of_them() {
    let system = System::new();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/vaultcast.db", directory.path().display());
    let vaults = system.block_on(vaults(url));
    let config = ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let ops = prop::collection::vec(op(), 1..60);
    let story = |ops: Vec<Op>| {
        system.block_on(async {
            let mut world = World::new(&vaults).await;
            for op in ops {
                world.step(op).await;
            }
            world.everybody_hears_all().await;
        });
        Ok(())
    };
    TestRunner::new(config).run(&ops, story).unwrap();
}

#[test]
fn a_gap_closes_the_transport_and_nothing_is_told_behind_it() {
    let system = System::new();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/vaultcast.db", directory.path().display());
    system.block_on(async {
        let vaults = vaults(url).await;
        let mut world = World::new(&vaults).await;
        world.join(0, Attach::Join);
        world.everybody_hears_all().await;
        let last = world.done(post()).await;
        world.everybody_hears_all().await;
        let id = world.vault.id().clone();
        let page = vaults.journal().after(&id, Seq(last - 1), 1).await;
        let record = page.unwrap().remove(0);
        for seq in [last + 3, last + 4] {
            let record = Record {
                seq: Seq(seq),
                ..record.clone()
            };
            world.relay.deliver(Delivery {
                vault: id.clone(),
                to: Audience::Everyone,
                notice: Notice::new(Body::Event(record)),
            });
        }
        let client = &mut world.clients[0];
        assert!(!client.listener.socket.is_connected());
        assert!(client.engine.take_all().is_empty());
    });
}
