//! Cuts at every place, told without sockets.

use proptest::prelude::*;

use super::*;
use crate::domain::Role;

const A: SubscriberId = SubscriberId(1);
const B: SubscriberId = SubscriberId(2);

/// A socket's trace and what its client has received, which may be less.
struct Story {
    trace: Trace,
    vaults: [VaultId; 2],
    offsets: Vec<Offset>,
    tickets: u64,
}

impl Story {
    fn begin() -> Self {
        Self {
            trace: Trace::begin(None),
            vaults: [VaultId::generate(), VaultId::generate()],
            offsets: Vec::new(),
            tickets: 0,
        }
    }

    fn vault(&self, id: SubscriberId) -> VaultId {
        self.vaults[id.0 as usize - 1].clone()
    }

    fn joins(&mut self, id: SubscriberId, seq: u64) -> &mut Self {
        self.joins_with(id, Attach::Join, seq, seq)
    }

    fn joins_with(&mut self, id: SubscriberId, attach: Attach, after: u64, seq: u64) -> &mut Self {
        let vault = self.vault(id);
        let ticket = self.tickets;
        self.tickets += 1;
        let joined = Joined {
            role: Role::Viewer,
            seq: Seq(seq),
            replayed: (attach != Attach::Join).then(|| seq - after),
            resync: false,
        };
        self.trace.joined(id, &vault, (ticket, &attach, &joined));
        self.offsets.push(Offset::of_join(&vault, ticket));
        self
    }

    fn hears(&mut self, id: SubscriberId, seqs: std::ops::RangeInclusive<u64>) -> &mut Self {
        for seq in seqs {
            self.trace.event(id, Seq(seq));
            self.offsets
                .push(Offset::of_event(&self.vault(id), Seq(seq)));
        }
        self
    }

    fn heart_beats(&mut self) -> &mut Self {
        self.trace.pinged();
        self.trace.answered();
        self
    }

    /// What is taken up for a client that received so many things; none, and it names no offset.
    fn cut_after(&self, received: usize) -> Option<Vec<Resumed>> {
        let offset = received.checked_sub(1).map(|last| &self.offsets[last]);
        self.trace.recover(offset)
    }

    /// Where it goes on in a vault.
    fn seen(&self, id: SubscriberId, received: usize) -> Option<u64> {
        let resumed = self.cut_after(received).unwrap();
        let vault = self.vault(id);
        let one = resumed.into_iter().find(|one| one.vault == vault)?;
        one.seen.map(|(q, _)| q.0)
    }
}

#[test]
fn a_client_goes_on_in_each_vault_after_what_it_has_seen_of_it() {
    let mut story = Story::begin();
    story
        .joins(A, 5)
        .joins(B, 70)
        .hears(A, 6..=7)
        .hears(B, 71..=72)
        .hears(A, 8..=8);
    assert_eq!((story.seen(A, 4), story.seen(B, 4)), (Some(7), Some(70)));
    assert_eq!((story.seen(A, 5), story.seen(B, 5)), (Some(7), Some(71)));
    assert_eq!((story.seen(A, 7), story.seen(B, 7)), (Some(8), Some(72)));
}

#[test]
fn what_a_heartbeat_confirmed_needs_no_offset() {
    let mut story = Story::begin();
    story.joins(A, 5).hears(A, 6..=9).heart_beats();
    // It names an old offset, for it has seen nothing since.
    assert_eq!(story.seen(A, 5), Some(9));
    assert_eq!(story.seen(A, 0), Some(9));
    story.hears(A, 10..=12);
    assert_eq!(story.seen(A, 5), Some(9));
    assert_eq!(story.seen(A, 6), Some(10));
}

#[test]
fn a_ping_confirms_only_what_left_before_it() {
    let mut story = Story::begin();
    story.joins(A, 0).hears(A, 1..=3);
    story.trace.pinged();
    story.hears(A, 4..=6);
    story.trace.answered();
    assert_eq!(story.seen(A, 0), Some(3));
}

#[test]
fn who_does_not_know_yet_that_he_is_in_is_told_and_goes_on_from_there() {
    let mut story = Story::begin();
    story.joins(A, 5).hears(A, 6..=6);
    let [resumed] = &story.cut_after(0).unwrap()[..] else {
        panic!("one vault");
    };
    assert_eq!(
        resumed.joined.as_ref().map(|joined| joined.seq),
        Some(Seq(5))
    );
    assert_eq!(
        (resumed.seen, &resumed.joins[..]),
        (Some((Seq(5), Seq(5))), &[][..])
    );
}

#[test]
fn who_joined_again_and_did_not_see_it_joins_behind_what_he_missed() {
    let mut story = Story::begin();
    let since = Attach::JoinSince {
        seq: Seq(2),
        epoch: None,
    };
    story.joins(A, 5).hears(A, 6..=6);
    story.joins_with(A, since.clone(), 2, 6);
    let [resumed] = &story.cut_after(2).unwrap()[..] else {
        panic!("one vault");
    };
    assert_eq!(
        (resumed.seen, &resumed.joined),
        (Some((Seq(6), Seq(5))), &None)
    );
    assert_eq!(resumed.joins, [since]);
    // With it, the client knows what is up to the place that it named.
    assert_eq!(story.seen(A, 3), Some(2));
}

#[test]
fn what_was_left_is_not_taken_up_and_what_has_ended_only_to_be_heard_to_its_end() {
    let mut story = Story::begin();
    story
        .joins(A, 5)
        .joins(B, 0)
        .hears(A, 6..=6)
        .hears(B, 1..=2);
    story.trace.left(A);
    story.trace.ended(B);
    assert_eq!((story.seen(A, 2), story.seen(B, 2)), (None, Some(0)));
    assert_eq!(story.cut_after(5), Some(Vec::new()));
    // The offsets of what was left still tell how far the client got elsewhere.
    assert_eq!(story.seen(B, 3), Some(0));
}

#[test]
fn who_saw_neither_his_removal_nor_his_joining_anew_begins_anew() {
    let mut story = Story::begin();
    story.vaults[1] = story.vaults[0].clone();
    story.joins(A, 3).hears(A, 4..=5);
    story.trace.ended(A);
    story.joins(B, 6).hears(B, 7..=7);
    // He has seen his removal, or nothing of it: only then are there two to be told side by side.
    assert!(story.cut_after(3).is_some());
    assert!(story.cut_after(2).is_none());
}

#[test]
fn an_offset_that_may_be_older_than_the_connection_decides_nothing() {
    let mut story = Story::begin();
    story.joins(A, 5).hears(A, 6..=7);
    let brought = story.offsets[2].clone();
    let mut again = Story::begin();
    again.vaults = story.vaults.clone();
    again.trace = Trace::begin(Some(brought.clone()));
    again.tickets = 10;
    again.joins(B, 0);
    // It has seen nothing here yet.
    assert!(
        again.trace.recover(Some(&brought)).unwrap()[0]
            .joined
            .is_some()
    );
    let since = Attach::JoinSince {
        seq: Seq(5),
        epoch: None,
    };
    again.joins_with(A, since, 5, 7).hears(A, 6..=8);
    assert_eq!(again.trace.recover(Some(&brought)), None);
    assert_eq!(again.seen(A, 5), Some(8));
    // The same event twice in one connection, likewise.
    let since = Attach::JoinSince {
        seq: Seq(7),
        epoch: None,
    };
    again.joins_with(A, since, 7, 8).hears(A, 8..=8);
    assert_eq!(again.cut_after(5), None);
}

#[test]
fn who_is_far_behind_what_is_kept_begins_anew() {
    let mut story = Story::begin();
    story.joins(A, 0);
    let mut asked = false;
    for seq in 1..=KEPT + 10 {
        asked |= story.trace.event(A, Seq(seq));
        story
            .offsets
            .push(Offset::of_event(&story.vault(A), Seq(seq)));
    }
    assert!(asked, "a heartbeat would have helped");
    assert_eq!(story.cut_after(0), None);
    assert_eq!(story.cut_after(5), None);
    assert_eq!(story.seen(A, 1000), Some(999));
    // What was dropped has arrived, as the next heartbeat shows.
    story.heart_beats();
    assert_eq!(story.seen(A, 0), Some(KEPT + 10));
}

#[test]
fn it_is_the_same_after_it_was_written_down() {
    let mut story = Story::begin();
    story
        .joins(A, 5)
        .joins(B, 70)
        .hears(A, 6..=7)
        .heart_beats()
        .hears(B, 71..=73);
    let before = story.cut_after(5);
    let text = serde_json::to_string(&story.trace).unwrap();
    story.trace = serde_json::from_str(&text).unwrap();
    assert_eq!(story.cut_after(5), before);
    assert!(before.is_some());
}

proptest! {
    /// Whatever is sent of two vaults, wherever hearts beat and wherever the cut is: the client goes on after the last that
    /// it saw of each.
    #[test]
    fn no_cut_misses_or_repeats(steps in prop::collection::vec(0..5_u8, 1..300), cut in 0.0..1.0_f64) {
        let mut story = Story::begin();
        story.joins(A, 0).joins(B, 0);
        let (mut heads, mut seen_before) = ([0_u64; 2], 2);
        let mut log = vec![(A, 0), (B, 0)];
        for step in steps {
            match step {
                0 => {
                    story.heart_beats();
                    seen_before = log.len();
                }
                _ => {
                    let id = if step % 2 == 0 { A } else { B };
                    let head = &mut heads[id.0 as usize - 1];
                    *head += 1;
                    story.hears(id, *head..=*head);
                    log.push((id, *head));
                }
            }
        }
        // What a heartbeat confirmed was received.
        let received = seen_before + ((log.len() - seen_before) as f64 * cut) as usize;
        for id in [A, B] {
            let last = log[..received].iter().rev().find(|(of, _)| *of == id);
            prop_assert_eq!(story.seen(id, received), last.map(|(_, seq)| *seq));
        }
    }
}
