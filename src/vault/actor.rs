//! The life of a vault's actor: one vault, one mailbox, one transaction in flight.
//!
//! The actor first loads its vault, after the last transaction of its predecessor has ended. It ends when there is no
//! vault, or when the vault is idle. It may also panic at any time, since its state is in the journal: its sinks
//! are notified and attach their subscribers to the successor.

use std::{sync::Arc, thread, time::Instant};

use actix::prelude::*;
use tracing::debug;

use crate::{
    domain::Vault,
    journal::{JournalError, report},
    telemetry::panics,
};

use super::{
    error::VaultError,
    message::{Envelope, VaultMessage},
    ring::EventRing,
    state::{Reconfigure, VaultActor, VaultState, WriterLease},
};

impl Actor for VaultActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let params = self.load.clone();
        self.stats.record_use(Instant::now());
        let load = async move {
            if !params.start_delay.is_zero() {
                tokio::time::sleep(params.start_delay).await;
            }
            let lease = params.writer_lease.acquire_owned().await;
            let lease = lease.expect("the writer lease is never closed");
            let _load_permit = params.load_permits.acquire().await;
            (Arc::new(lease), journal.load(&id).await)
        };
        ctx.wait(load.into_actor(self).map(|(lease, loaded), this, ctx| {
            this.loaded(lease, loaded);
            this.stop_unless_open(ctx);
            this.start_idle_timer(ctx);
        }));
    }
}

impl<M: VaultMessage> Handler<Envelope<M>> for VaultActor {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M>, ctx: &mut Self::Context) {
        let handling = self.metrics.mailbox.message_taken(envelope.sent_at);
        let _panic_context = panics::vault_scope(self.id.as_str());
        if M::IS_USE {
            self.is_used = true;
            self.stats.record_use(handling.started);
        }
        envelope.message.handle(self, ctx);
    }
}

impl VaultMessage for Reconfigure {
    const IS_USE: bool = false;

    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        let Self(options) = self;
        let idle = std::mem::replace(&mut vault.options, options).idle;
        if idle != options.idle {
            vault.start_idle_timer(ctx);
        }
    }
}

impl VaultActor {
    fn loaded(&mut self, lease: WriterLease, loaded: Result<Option<Vault>, JournalError>) {
        self.state = match loaded {
            Ok(Some(vault)) if !vault.members.is_empty() => {
                let ring = EventRing::new(vault.head);
                self.stats.set_head(vault.head);
                self.members_snapshot.publish(vault.members.clone());
                VaultState::Open { vault, ring, lease }
            }
            Ok(_) => VaultState::Absent,
            Err(error) => {
                report!(error, vault.id = %self.id, "vault could not be loaded");
                VaultState::Failed(error.into())
            }
        };
    }

    /// Stops the actor if the vault is not open and every request is answered. So ids without a vault leave no actor
    /// behind, and the next request tries to load a vault that could not be loaded.
    pub(super) fn stop_unless_open(&mut self, ctx: &mut Context<Self>) {
        if self.unavailable_reason().is_some() {
            self.stop_if_unused(ctx);
        }
    }

    /// Starts the periodic idle check, or restarts it with another interval.
    fn start_idle_timer(&mut self, ctx: &mut Context<Self>) {
        let timer = ctx.run_interval(self.options.idle, Self::stop_if_idle);
        if let Some(previous) = self.idle_timer.replace(timer) {
            ctx.cancel_future(previous);
        }
    }

    /// Stops the actor if it has no subscriber and no request arrived since the last check.
    fn stop_if_idle(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::take(&mut self.is_used) && self.fanout.is_empty() {
            self.stop_if_unused(ctx);
        }
    }

    /// Leaves the directory and stops, if no request waits here or is on its way.
    fn stop_if_unused(&mut self, ctx: &mut Context<Self>) {
        if self.host.retire(&self.id, &self.permits) {
            debug!(vault.id = %self.id, "vault unloaded");
            ctx.stop();
        }
    }

    /// Discards the state, which differs from the journal. The successor loads the vault again.
    pub(super) fn restart(&mut self, ctx: &mut Context<Self>) {
        self.state = VaultState::Failed(VaultError::Unavailable);
        self.members_snapshot.withdraw();
        ctx.stop();
    }
}

impl Drop for VaultActor {
    /// Counts a panic.
    fn drop(&mut self) {
        if thread::panicking() {
            self.metrics.panicked.inc();
        }
    }
}
