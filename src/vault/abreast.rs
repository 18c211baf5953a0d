//! Keeping abreast of other processes that write the same vault. Nobody tells this one where they have brought it, so
//! it reads the head from the journal before somebody joins: who joins is not told an older place than he has seen
//! elsewhere, and `resync` is said only of what is in no journal.
//!
//! A join takes its place when it came, for whoever sent it may have sent a mutation right after it: what was committed
//! meanwhile of what came later is told as an event that follows.
//!
//! Joins that come while the head is being read wait for the next look, for this one may be older than what they know; so
//! a crowd that joins costs one read at a time. Where the journal is ahead, that may be this vault's own
//! transaction: its end is awaited, and only what is missing then is read.

use std::mem;

use actix::prelude::*;

use crate::{domain::Seq, journal::JournalError};

use super::{
    actor::{Standing, VaultActor},
    attach::Subscribe,
    commits::missed,
};

/// Who joins as soon as the vault stands where its journal does.
#[derive(Default)]
pub(super) struct Joining {
    waiting: Vec<Join>,
    look: Look,
}

/// Somebody who joins.
struct Join {
    subscribe: Subscribe,
    /// How many transactions had begun when he came, whose events come before his joining.
    begun: u64,
    /// Where the vault stood before the first event that came of a later one.
    place: Option<Seq>,
}

/// What is being done for those who came first.
#[derive(Default)]
enum Look {
    #[default]
    Nothing,
    /// The head is being read, or what the vault lacks.
    Reading(Vec<Join>),
    /// The journal was seen at this place, and a transaction in flight will show whether it brought it there.
    Ahead(Seq, Vec<Join>),
}

impl Joining {
    /// The last transaction that began has made events, of which this is the first: whoever came before it began joins
    /// before that.
    pub(super) fn precede(&mut self, first: Seq, begun: u64) {
        let place = Seq(first.0 - 1);
        let looked = match &mut self.look {
            Look::Nothing => &mut Vec::new(),
            Look::Reading(joins) | Look::Ahead(_, joins) => joins,
        };
        for join in looked.iter_mut().chain(&mut self.waiting) {
            if join.begun < begun {
                join.place.get_or_insert(place);
            }
        }
    }

    /// Those who came first; from here on nothing is being done for them.
    fn take(&mut self) -> Vec<Join> {
        match mem::take(&mut self.look) {
            Look::Nothing => Vec::new(),
            Look::Reading(joins) | Look::Ahead(_, joins) => joins,
        }
    }
}

impl VaultActor {
    /// Has somebody join when it is known where the journal stands.
    pub(super) fn join_abreast(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        self.reading.begin(&subscribe);
        // Who is in hears what comes meanwhile, and joins again behind that.
        let is_in = self.listeners.has(subscribe.subscription.subscriber);
        let begun = if is_in { u64::MAX } else { self.queue.begun };
        self.joining.waiting.push(Join {
            subscribe,
            begun,
            place: None,
        });
        self.look(ctx);
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let joining = &mut self.joining;
        if !matches!(joining.look, Look::Nothing) || joining.waiting.is_empty() {
            return;
        }
        joining.look = Look::Reading(mem::take(&mut joining.waiting));
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move { journal.head(&id).await };
        ctx.spawn(read.into_actor(self).map(|head, this, ctx| match head {
            Ok(Some(head)) => this.seen(head, ctx),
            // Deleted elsewhere so long ago that nothing is left: they ask again, and hear it from a successor.
            Ok(None) => this.start_over(ctx),
            Err(error) => this.turn_away(&error, ctx),
        }));
    }

    /// The journal was seen at this place.
    fn seen(&mut self, head: Seq, ctx: &mut Context<Self>) {
        if self.head().is_none_or(|own| own >= head) {
            self.let_in(ctx);
        } else if self.queue.in_flight {
            self.joining.look = Look::Ahead(head, self.joining.take());
        } else {
            self.catch_up(ctx);
        }
    }

    /// A transaction has ended: goes on with who waited for that.
    pub(super) fn look_on(&mut self, ctx: &mut Context<Self>) {
        if let Look::Ahead(head, _) = self.joining.look {
            self.joining.look = Look::Reading(self.joining.take());
            self.seen(head, ctx);
        }
    }

    /// Publishes what another process has written. No transaction begins meanwhile.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let Standing::Open { vault, .. } = &self.standing else {
            return self.let_in(ctx);
        };
        self.queue.in_flight = true;
        let missed = missed(self.journal.clone(), self.id.clone(), vault.head);
        ctx.spawn(missed.into_actor(self).map(|found, this, ctx| {
            match found {
                Ok(records) => {
                    if !records.is_empty() {
                        this.directory.sees_others(&this.id);
                    }
                    this.publish(records, ctx);
                    this.let_in(ctx);
                }
                Err(error) => this.turn_away(&error, ctx),
            }
            this.go_on(0, ctx);
        }));
    }

    fn let_in(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.standing, Standing::Failed(_)) {
            return; // it starts over, and they ask again
        }
        for Join {
            subscribe, place, ..
        } in self.joining.take()
        {
            if self.reading.end(&subscribe) {
                self.attach(subscribe, place, ctx);
            } else {
                subscribe.done();
            }
        }
        self.look_done(ctx);
    }

    fn turn_away(&mut self, error: &JournalError, ctx: &mut Context<Self>) {
        for Join { subscribe, .. } in self.joining.take() {
            if self.reading.end(&subscribe) {
                self.refuse(subscribe, error.clone().into());
            } else {
                subscribe.done();
            }
        }
        self.look_done(ctx);
    }

    fn look_done(&mut self, ctx: &mut Context<Self>) {
        self.look(ctx);
        self.end_if_closed(ctx);
    }
}
