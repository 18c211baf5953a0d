//! The sink by which vaults, on their own threads, send notices to a relay.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use crate::{
    gateway::bounds::{RelayCapacity, RelayPermit},
    telemetry::metrics::MailboxMetrics,
    vault::{Delivery, Sink, SinkFull, SinkId, VaultHandle},
};

/// A notice with its permit in the relay's mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct DeliverNotice {
    pub(super) delivery: Delivery,
    pub(super) sent: Instant,
    _permit: RelayPermit,
}

/// Reports that a vault sends this relay no more notices until it has caught up.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct FellBehind(pub(super) VaultHandle);

/// Reports that the journal of a vault is another one than before.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PositionsUnknown(pub(super) VaultHandle);

/// The sink of one relay.
pub(super) struct RelaySink {
    pub(super) id: SinkId,
    pub(super) notices: Recipient<DeliverNotice>,
    pub(super) fell_behind: Recipient<FellBehind>,
    pub(super) positions_unknown: Recipient<PositionsUnknown>,
    pub(super) capacity: Arc<RelayCapacity>,
    pub(super) mailbox: MailboxMetrics,
}

impl Sink for RelaySink {
    fn id(&self) -> SinkId {
        self.id
    }

    fn is_closed(&self) -> bool {
        !self.notices.connected()
    }

    #[allow(clippy::disallowed_methods, reason = "bounded by the permit")]
    fn deliver(&self, delivery: Delivery) -> Result<(), SinkFull> {
        let permit = self
            .capacity
            .try_acquire(delivery.weight())
            .ok_or(SinkFull)?;
        self.mailbox.message_sent(permit.used_before());
        self.notices.do_send(DeliverNotice {
            delivery,
            sent: Instant::now(),
            _permit: permit,
        });
        Ok(())
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "one message per vault until it has caught up, or per lost join"
    )]
    fn fell_behind(&self, vault: VaultHandle) {
        self.fell_behind.do_send(FellBehind(vault));
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "one message for each time that a vault's journal was replaced"
    )]
    fn positions_unknown(&self, vault: VaultHandle) {
        self.positions_unknown.do_send(PositionsUnknown(vault));
    }
}
