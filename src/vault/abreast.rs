//! Keeping abreast of other processes that write the same vault. Nobody tells this one where they have brought it, so
//! it reads the head from the journal before somebody joins: who joins is not told an older place than he has seen
//! elsewhere, and `resync` is said only of what is in no journal.
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
    waiting: Vec<Subscribe>,
    look: Look,
}

/// What is being done for those who came first.
#[derive(Default)]
enum Look {
    #[default]
    Nothing,
    /// The head is being read, or what the vault lacks.
    Reading,
    /// The journal was seen at this place, and a transaction in flight will show whether it brought it there.
    Ahead(Seq, Vec<Subscribe>),
}

impl VaultActor {
    /// Has somebody join when it is known where the journal stands.
    pub(super) fn join_abreast(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        self.reading.begin(&subscribe);
        self.joining.waiting.push(subscribe);
        self.look(ctx);
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        if !matches!(self.joining.look, Look::Nothing) || self.joining.waiting.is_empty() {
            return;
        }
        self.joining.look = Look::Reading;
        let joins = mem::take(&mut self.joining.waiting);
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let read = async move { journal.head(&id).await };
        ctx.spawn(read.into_actor(self).map(move |head, this, ctx| {
            match head {
                Ok(Some(head)) if this.head().is_none_or(|own| own >= head) => {
                    this.let_in(joins, ctx);
                }
                Ok(Some(head)) if this.queue.in_flight => {
                    this.joining.look = Look::Ahead(head, joins);
                }
                Ok(Some(_)) => this.catch_up(joins, ctx),
                // Deleted elsewhere so long ago that nothing is left: they ask again, and hear it from a successor.
                Ok(None) => this.start_over(ctx),
                Err(error) => this.turn_away(joins, &error, ctx),
            }
        }));
    }

    /// A transaction has ended: goes on with who waited for that.
    pub(super) fn look_on(&mut self, ctx: &mut Context<Self>) {
        if let Look::Ahead(seen, _) = self.joining.look
            && let Look::Ahead(_, joins) = mem::replace(&mut self.joining.look, Look::Reading)
        {
            if self.head().is_none_or(|own| own >= seen) {
                self.let_in(joins, ctx);
            } else {
                self.catch_up(joins, ctx);
            }
        }
    }

    /// Publishes what another process has written. No transaction begins meanwhile.
    fn catch_up(&mut self, joins: Vec<Subscribe>, ctx: &mut Context<Self>) {
        let Standing::Open { vault, .. } = &self.standing else {
            return self.let_in(joins, ctx);
        };
        self.queue.in_flight = true;
        let missed = missed(self.journal.clone(), self.id.clone(), vault.head);
        ctx.spawn(missed.into_actor(self).map(move |found, this, ctx| {
            match found {
                Ok(records) => {
                    this.publish(records, ctx);
                    this.let_in(joins, ctx);
                }
                Err(error) => this.turn_away(joins, &error, ctx),
            }
            this.go_on(0, ctx);
        }));
    }

    fn let_in(&mut self, joins: Vec<Subscribe>, ctx: &mut Context<Self>) {
        if matches!(self.standing, Standing::Failed(_)) {
            return; // it starts over, and they ask again
        }
        for subscribe in joins {
            if self.reading.end(&subscribe) {
                self.attach(subscribe, ctx);
            } else {
                subscribe.done();
            }
        }
        self.look_done(ctx);
    }

    fn turn_away(&mut self, joins: Vec<Subscribe>, error: &JournalError, ctx: &mut Context<Self>) {
        for subscribe in joins {
            if self.reading.end(&subscribe) {
                self.refuse(subscribe, error.clone().into());
            } else {
                subscribe.done();
            }
        }
        self.look_done(ctx);
    }

    fn look_done(&mut self, ctx: &mut Context<Self>) {
        self.joining.look = Look::Nothing;
        self.look(ctx);
        self.end_if_closed(ctx);
    }
}
