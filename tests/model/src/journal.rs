//! The journal and its committer: what outlives everything, and how it comes to be written.
//!
//! As in `src/journal/`: works wait in the committer's queue and are written one after the other, each in one
//! transaction that compares the head. Where it has moved, another process wrote; what the vault missed is read and
//! the batch is decided anew, which is one step here, for nothing of it is seen before its commit.

use crate::{
    bounds::{Bounds, Change, Fates, Mistake},
    world::Process,
};

/// A place in a vault's order.
pub type Seq = u8;

/// What all processes share, and what is known of what was asked of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared {
    pub journal: Journal,
    /// What the authors of mutations know, one for each that was submitted.
    pub answers: Vec<Answer>,
    /// What may still happen.
    pub fates: Fates,
    /// How many sockets there have been.
    pub sockets: u8,
}

/// The events of the vault: the first has the number 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Journal {
    /// Which mutation each event came of.
    pub events: Vec<u8>,
    /// Events up to this one are no longer kept.
    pub swept: Seq,
}

impl Journal {
    pub fn head(&self) -> Seq {
        self.events.len() as Seq
    }

    /// What the event at this place did.
    pub fn change(&self, bounds: &Bounds, seq: Seq) -> Change {
        let event = self.events.get(usize::from(seq) - 1);
        event.map_or(Change::Source, |mutation| {
            bounds.mutations[usize::from(*mutation)]
        })
    }

    /// Whether this client's user is a member when the vault stands here.
    pub fn admits(&self, bounds: &Bounds, client: u8, head: Seq) -> bool {
        let mut changes = (1..=head).rev().map(|seq| self.change(bounds, seq));
        changes.find_map(|change| match change {
            Change::Remove(who) if who == client => Some(false),
            Change::Add(who) if who == client => Some(true),
            Change::Remove(_) | Change::Add(_) | Change::Source => None,
        }) != Some(false)
    }

    /// The first event after a place that removes this client's user.
    pub fn removal(&self, bounds: &Bounds, client: u8, after: Seq) -> Option<Seq> {
        (after + 1..=self.head()).find(|seq| self.change(bounds, *seq) == Change::Remove(client))
    }

    /// A page of what is kept after a place.
    pub fn after(&self, place: Seq, limit: u8) -> Vec<Seq> {
        let first = place.max(self.swept) + 1;
        (first..=self.head()).take(limit.into()).collect()
    }

    /// Whether the event at this place and all that follow are still there.
    pub fn can_resume(&self, place: Seq) -> bool {
        self.swept == 0 || place > self.swept
    }
}

/// What the author of a mutation knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// He waits for this process.
    Awaited(u8),
    /// Done, as this event.
    Done(Seq),
    /// Not done.
    Failed,
    /// `outcome: "unknown"`.
    Unknown,
    /// His connection broke with the process.
    Lost,
}

/// A transaction: from when it was begun until its end has been told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub mutations: Vec<u8>,
    /// Where its vault stood.
    pub head: Seq,
    /// What came of it, when that is known.
    pub written: Option<Written>,
    /// Whoever began it died: nobody is told but the authors.
    pub orphaned: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Written {
    /// Its first event has this number; what is before was missed.
    Committed(Seq),
    RolledBack,
    Unknown,
}

/// What a transaction comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Committed,
    RolledBack,
    /// Nobody can say whether it happened; it did, or did not.
    Unknown {
        happened: bool,
    },
}

impl Process {
    /// The committer ends the transaction that it has in hand.
    pub fn write(&mut self, outcome: Outcome, shared: &mut Shared, bounds: &Bounds) {
        let Some(transaction) = self.tenures.iter_mut().find(|one| one.written.is_none()) else {
            return;
        };
        let first = match bounds.mistake {
            Some(Mistake::TakesTheHeadUnseen) => transaction.head + 1,
            Some(_) | None => shared.journal.head() + 1,
        };
        let happened = matches!(
            outcome,
            Outcome::Committed | Outcome::Unknown { happened: true }
        );
        if happened {
            shared.journal.events.extend(&transaction.mutations);
        }
        transaction.written = Some(match outcome {
            Outcome::Committed => Written::Committed(first),
            Outcome::RolledBack => {
                shared.fates.failures -= 1;
                Written::RolledBack
            }
            Outcome::Unknown { .. } => {
                shared.fates.unknowns -= 1;
                Written::Unknown
            }
        });
        if transaction.orphaned {
            self.tell_orphans(shared);
        }
    }

    /// Transactions whose actor died end when they are written: their authors hear what is true, and the tenure is
    /// free.
    pub fn tell_orphans(&mut self, shared: &mut Shared) {
        self.tenures.retain(|one| {
            let Some(written) = one.written.as_ref().filter(|_| one.orphaned) else {
                return true;
            };
            one.answer(written, shared);
            false
        });
    }
}

impl Transaction {
    /// Answers the authors with what is true.
    pub fn answer(&self, written: &Written, shared: &mut Shared) {
        for (n, mutation) in self.mutations.iter().enumerate() {
            shared.answers[usize::from(*mutation)] = match written {
                Written::Committed(first) => Answer::Done(first + n as Seq),
                Written::RolledBack => Answer::Failed,
                Written::Unknown => Answer::Unknown,
            };
        }
    }
}
