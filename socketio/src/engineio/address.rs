//! The address of a session, for its transports on any thread and for its socket. It hides the type of the session
//! actor, so that transports, registry and socket depend on the messages only.

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Recipient};

use super::message::{
    AdoptConnection, BeginPost, OfferUpgrade, PacketReceived, PollRequest, SessionSignal,
    UpgradePacket,
};

/// The address of one session. A clone is another handle to the same address.
#[derive(Clone)]
pub(super) struct SessionAddress(Arc<dyn SessionMailbox>);

/// An actor address that accepts signals, without waiting.
pub(super) trait SignalMailbox: Send + Sync {
    fn signal(&self, signal: SessionSignal);
}

/// An actor address that accepts every message to a session.
pub(super) trait SessionMailbox: SignalMailbox {
    fn packets(&self) -> Recipient<PacketReceived>;
    fn polls(&self) -> Recipient<PollRequest>;
    fn posts(&self) -> Recipient<BeginPost>;
    fn upgrade_offers(&self) -> Recipient<OfferUpgrade>;
    fn upgrade_packets(&self) -> Recipient<UpgradePacket>;
    fn adoptions(&self) -> Recipient<AdoptConnection>;
    fn signals(&self) -> Recipient<SessionSignal>;
}

impl<A> SessionMailbox for Addr<A>
where
    A: Actor<Context = Context<A>>
        + Handler<PacketReceived>
        + Handler<PollRequest>
        + Handler<BeginPost>
        + Handler<OfferUpgrade>
        + Handler<UpgradePacket>
        + Handler<AdoptConnection>
        + Handler<SessionSignal>,
{
    fn packets(&self) -> Recipient<PacketReceived> {
        self.clone().recipient()
    }

    fn polls(&self) -> Recipient<PollRequest> {
        self.clone().recipient()
    }

    fn posts(&self) -> Recipient<BeginPost> {
        self.clone().recipient()
    }

    fn upgrade_offers(&self) -> Recipient<OfferUpgrade> {
        self.clone().recipient()
    }

    fn upgrade_packets(&self) -> Recipient<UpgradePacket> {
        self.clone().recipient()
    }

    fn adoptions(&self) -> Recipient<AdoptConnection> {
        self.clone().recipient()
    }

    fn signals(&self) -> Recipient<SessionSignal> {
        self.clone().recipient()
    }
}

impl<A> SignalMailbox for Addr<A>
where
    A: Actor<Context = Context<A>> + Handler<SessionSignal>,
{
    #[expect(
        clippy::disallowed_methods,
        reason = "a session has at most one wake, tick, flush, queued-frames signal and close in its mailbox, and one \
                  abort per request; the caller bounds requested heartbeats"
    )]
    fn signal(&self, signal: SessionSignal) {
        self.do_send(signal);
    }
}

impl SessionAddress {
    /// Creates the address of a session from the address of its actor.
    pub(super) fn new(actor: impl SessionMailbox + 'static) -> Self {
        Self(Arc::new(actor))
    }

    pub(super) fn packets(&self) -> Recipient<PacketReceived> {
        self.0.packets()
    }

    pub(super) fn polls(&self) -> Recipient<PollRequest> {
        self.0.polls()
    }

    pub(super) fn posts(&self) -> Recipient<BeginPost> {
        self.0.posts()
    }

    pub(super) fn upgrade_offers(&self) -> Recipient<OfferUpgrade> {
        self.0.upgrade_offers()
    }

    pub(super) fn upgrade_packets(&self) -> Recipient<UpgradePacket> {
        self.0.upgrade_packets()
    }

    pub(super) fn adoptions(&self) -> Recipient<AdoptConnection> {
        self.0.adoptions()
    }

    pub(super) fn signals(&self) -> Recipient<SessionSignal> {
        self.0.signals()
    }

    pub(super) fn signal_sender(&self) -> SignalSender {
        SignalSender(self.0.clone())
    }
}

/// Sends signals to one session without waiting. It shares the address, because each recipient of an actor has a memory of its
/// own.
#[derive(Clone)]
pub(super) struct SignalSender(Arc<dyn SignalMailbox>);

impl SignalSender {
    pub(super) fn send(&self, signal: SessionSignal) {
        self.0.signal(signal);
    }

    /// Creates a sender without a session: signals are dropped.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn detached() -> Self {
        Self(Arc::new(NoSession))
    }
}

/// Drops signals.
#[cfg(any(test, feature = "test-util"))]
struct NoSession;

#[cfg(any(test, feature = "test-util"))]
impl SignalMailbox for NoSession {
    fn signal(&self, _: SessionSignal) {}
}
