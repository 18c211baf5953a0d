//! Turns what vaults send to the relay into inputs of its machine.

use tracing::error;

use crate::{
    domain::VaultId,
    gateway::protocol::EventFrames,
    journal::JournalRecord,
    vault::{Delivery, Notice, NoticeBody, NoticeReceivers, VaultHandle},
};

use super::{
    effects::EncodedEvent,
    machine::{RelayInput, VaultAnswer},
    state::Relay,
};

impl Relay {
    /// Handles a notice from a vault.
    pub(super) fn deliver(&self, delivery: Delivery) {
        let Delivery { vault, to, notice } = delivery;
        match (&notice.body, to) {
            (NoticeBody::Event(record), NoticeReceivers::All) => {
                self.deliver_event(&vault, &notice, record);
            }
            (NoticeBody::Attached(attached), NoticeReceivers::Only(ids)) => {
                let events: Vec<_> = attached
                    .events
                    .iter()
                    .filter_map(|notice| EncodedEvent::of(notice))
                    .collect();
                for subscriber in ids {
                    self.input(RelayInput::Answer {
                        vault: &vault,
                        subscriber,
                        answer: VaultAnswer {
                            ticket: attached.ticket,
                            joined: attached.joined.as_ref(),
                            events: &events,
                            outcome: &attached.outcome,
                        },
                    });
                }
            }
            (NoticeBody::Removed, NoticeReceivers::Only(ids)) => {
                self.input(RelayInput::Removed {
                    vault: &vault,
                    subscribers: &ids,
                });
            }
            (NoticeBody::Closed, NoticeReceivers::All) => {
                self.input(RelayInput::Closed { vault: &vault });
            }
            (body, to) => {
                error!(vault.id = %vault, ?to, ?body, "notice has an unexpected audience");
            }
        }
    }

    fn deliver_event(&self, vault: &VaultId, notice: &Notice, record: &JournalRecord) {
        if self.with_machine(|machine| !machine.vaults().contains_key(vault)) {
            return; // all sockets have left meanwhile
        }
        // Encoded by each relay: threads that share the reference count of a frame slow each other down.
        let event = &EncodedEvent {
            record,
            frames: EventFrames::default(),
        };
        let handled = self.input(RelayInput::Event { vault, event });
        let metrics = &self.0.peers.options.metrics;
        metrics.delivered(handled.delivered, notice.created);
    }

    /// Handles the report that a vault sends this relay no more notices. Returns the vaults to
    /// [catch up](Self::catch_up) with after the notices in the mailbox.
    pub(super) fn fall_behind(&self, vault: VaultHandle) -> Vec<VaultId> {
        let id = self.with_io(|io| io.keep_vault(vault));
        self.input(RelayInput::FellBehind { vault: &id })
            .await_mailbox
    }

    /// Closes the sockets that have received events of a vault, because its journal is another one than before.
    pub(super) fn end_subscriptions(&self, vault: &VaultId) {
        self.input(RelayInput::PositionsUnknown { vault });
    }

    /// Closes the sockets that have received events of any vault. Those of a vault that is not loaded wait to resume there, and
    /// no vault reports to them that its journal is another one.
    pub(super) fn end_all_subscriptions(&self) {
        let vaults = self.with_machine(|machine| machine.vaults().keys().cloned().collect());
        let vaults: Vec<VaultId> = vaults;
        for vault in &vaults {
            self.end_subscriptions(vault);
        }
    }

    /// Resumes all subscriptions of a vault after their last sent events. The relay fell behind, or the vault's actor
    /// ended.
    pub(super) fn catch_up(&self, vault: &VaultId) {
        self.input(RelayInput::MailboxDrained { vault });
    }
}

impl<'e> EncodedEvent<'e> {
    /// Returns the event of a notice.
    fn of(notice: &'e Notice) -> Option<Self> {
        match &notice.body {
            NoticeBody::Event(record) => Some(Self {
                record,
                // Many sockets that resume at the same time receive the same events.
                frames: notice.encoded(|_| EventFrames::default()),
            }),
            NoticeBody::Attached(_) | NoticeBody::Removed | NoticeBody::Closed => None,
        }
    }
}
