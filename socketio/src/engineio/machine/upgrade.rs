//! The upgrade from polling to a websocket.
//!
//! A polling client opens a websocket and sends `2probe`; the answer `3probe` confirms that the websocket works. The
//! client then stops polling, so the server answers its last poll with an empty packet, and the client completes the
//! upgrade with `5` on the websocket. Until then polling remains the transport, and a failure of the websocket only ends
//! the upgrade attempt.

use std::time::{Duration, Instant};

use engineioxide_core::Packet;

/// How often a parked poll is answered between the probe and the end of the upgrade. The client may send another poll
/// before it reads the answer to its probe, so once is not enough; without an interval it would poll in a busy loop.
const POLL_RELEASE_INTERVAL: Duration = Duration::from_millis(100);

/// An attempt of a websocket to replace polling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engineio) struct UpgradeAttempt {
    expires_at: Instant,
    /// When the next parked poll is answered. `None` before the probe.
    release_at: Option<Instant>,
}

/// The answer to a packet of a websocket that requests an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum UpgradeDecision {
    /// The websocket has probed: answer the probe and the parked poll.
    AnswerProbe,
    /// The websocket is the transport of the session from now on.
    Complete,
    /// The packet is not allowed: close the websocket.
    Reject,
}

/// What is due at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum DueUpgradeAction {
    /// No action.
    Wait,
    /// Answer the parked poll.
    ReleasePoll,
    /// The client has not completed the upgrade in time: close the websocket.
    Abandon,
}

impl UpgradeAttempt {
    /// Starts an attempt now.
    pub(in crate::engineio) fn new(now: Instant, timeout: Duration) -> Self {
        Self {
            expires_at: now + timeout,
            release_at: None,
        }
    }

    /// Returns when [`due_action`](UpgradeAttempt::due_action) must be called next.
    pub(in crate::engineio) fn deadline(&self) -> Instant {
        self.release_at
            .map_or(self.expires_at, |at| at.min(self.expires_at))
    }

    /// Handles a packet of the websocket; `None` is a malformed packet or the end of the websocket.
    pub(in crate::engineio) fn receive(
        &mut self,
        packet: Option<&Packet>,
        now: Instant,
    ) -> UpgradeDecision {
        match packet {
            Some(Packet::PingUpgrade) if self.release_at.is_none() => {
                self.release_at = Some(now + POLL_RELEASE_INTERVAL);
                UpgradeDecision::AnswerProbe
            }
            Some(Packet::Upgrade) => UpgradeDecision::Complete,
            Some(
                Packet::Open(_)
                | Packet::Close
                | Packet::Ping
                | Packet::PingUpgrade
                | Packet::Pong
                | Packet::PongUpgrade
                | Packet::Message(_)
                | Packet::Noop
                | Packet::Binary(_)
                | Packet::BinaryV3(_),
            )
            | None => UpgradeDecision::Reject,
        }
    }

    /// Returns the action that is due now.
    pub(in crate::engineio) fn due_action(&mut self, now: Instant) -> DueUpgradeAction {
        if self.expires_at <= now {
            return DueUpgradeAction::Abandon;
        }
        match self.release_at {
            Some(at) if at <= now => {
                self.release_at = Some(now + POLL_RELEASE_INTERVAL);
                DueUpgradeAction::ReleasePoll
            }
            Some(_) | None => DueUpgradeAction::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn websocket_probes_and_completes_the_upgrade() {
        let now = Instant::now();
        let mut attempt = UpgradeAttempt::new(now, TIMEOUT);
        let probed = attempt.receive(Some(&Packet::PingUpgrade), now);
        assert_eq!(probed, UpgradeDecision::AnswerProbe);
        let upgraded = attempt.receive(Some(&Packet::Upgrade), now);
        assert_eq!(upgraded, UpgradeDecision::Complete);
    }

    #[test]
    fn any_other_packet_is_rejected() {
        let now = Instant::now();
        for packet in [
            None,
            Some(Packet::Ping),
            Some(Packet::Message("early".into())),
            Some(Packet::Close),
        ] {
            let mut attempt = UpgradeAttempt::new(now, TIMEOUT);
            let decision = attempt.receive(packet.as_ref(), now);
            assert_eq!(decision, UpgradeDecision::Reject);
        }
    }

    #[test]
    fn second_probe_is_rejected() {
        let now = Instant::now();
        let mut attempt = UpgradeAttempt::new(now, TIMEOUT);
        let mut probe = || attempt.receive(Some(&Packet::PingUpgrade), now);
        assert_eq!(probe(), UpgradeDecision::AnswerProbe);
        assert_eq!(probe(), UpgradeDecision::Reject);
    }

    #[test]
    fn polls_are_released_repeatedly_after_the_probe() {
        let mut now = Instant::now();
        let mut attempt = UpgradeAttempt::new(now, TIMEOUT);
        let before_probe = attempt.due_action(now + POLL_RELEASE_INTERVAL);
        assert_eq!(before_probe, DueUpgradeAction::Wait);
        attempt.receive(Some(&Packet::PingUpgrade), now);
        for _ in 0..3 {
            assert_eq!(attempt.due_action(now), DueUpgradeAction::Wait);
            now = attempt.deadline();
            assert_eq!(attempt.due_action(now), DueUpgradeAction::ReleasePoll);
        }
    }

    #[test]
    fn upgrade_attempt_expires() {
        let now = Instant::now();
        let mut attempt = UpgradeAttempt::new(now, TIMEOUT);
        assert_eq!(attempt.deadline(), now + TIMEOUT);
        attempt.receive(Some(&Packet::PingUpgrade), now);
        assert_eq!(attempt.due_action(now + TIMEOUT), DueUpgradeAction::Abandon);
    }
}
