//! The upgrade from polling to a websocket, as plain data like the rest of the machine.
//!
//! A client that polls opens a websocket beside it and sends `2probe`; the answer `3probe` tells it that the way is
//! free. It then polls no more, which is why its last poll is released with an empty packet, and with `5` it moves to
//! the websocket. Until that moment polls carry the session, and whatever goes wrong with the websocket is nothing
//! but the end of a trial.

use std::time::{Duration, Instant};

use engineioxide_core::Packet;

/// How often a poll is released while a websocket that has probed is waited for. The client may send another one
/// before it reads the answer to its probe, so once is not enough; without a pause it would poll in circles.
const RELEASE_EVERY: Duration = Duration::from_millis(100);

/// A websocket on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engineio) struct Trial {
    until: Instant,
    /// Since the probe, when the next poll is released.
    release_at: Option<Instant>,
}

/// What is to be done about a packet of a websocket on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum Verdict {
    /// It has probed: answer, and release the poll.
    Probed,
    /// It carries the session from now on.
    Upgraded,
    /// It must not say that: close it.
    Refused,
}

/// What time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum Due {
    /// Nothing yet.
    Nothing,
    /// Release the poll.
    Release,
    /// The client has not gone through with it: close the websocket.
    GiveUp,
}

impl Trial {
    /// A trial that begins now.
    pub(in crate::engineio) fn begin(now: Instant, timeout: Duration) -> Self {
        Self {
            until: now + timeout,
            release_at: None,
        }
    }

    /// When it wants to be asked what is due.
    pub(in crate::engineio) fn deadline(&self) -> Instant {
        self.release_at.map_or(self.until, |at| at.min(self.until))
    }

    /// A packet of the websocket, or what was none.
    pub(in crate::engineio) fn hear(&mut self, packet: Option<&Packet>, now: Instant) -> Verdict {
        match packet {
            Some(Packet::PingUpgrade) => {
                self.release_at = Some(now + RELEASE_EVERY);
                Verdict::Probed
            }
            Some(Packet::Upgrade) => Verdict::Upgraded,
            Some(
                Packet::Open(_)
                | Packet::Close
                | Packet::Ping
                | Packet::Pong
                | Packet::PongUpgrade
                | Packet::Message(_)
                | Packet::Noop
                | Packet::Binary(_)
                | Packet::BinaryV3(_),
            )
            | None => Verdict::Refused,
        }
    }

    /// What is due now.
    pub(in crate::engineio) fn due(&mut self, now: Instant) -> Due {
        if self.until <= now {
            return Due::GiveUp;
        }
        match self.release_at {
            Some(at) if at <= now => {
                self.release_at = Some(now + RELEASE_EVERY);
                Due::Release
            }
            Some(_) | None => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    #[test]
    fn a_websocket_probes_and_then_takes_over() {
        let now = Instant::now();
        let mut trial = Trial::begin(now, TIMEOUT);
        assert_eq!(trial.hear(Some(&Packet::PingUpgrade), now), Verdict::Probed);
        assert_eq!(trial.hear(Some(&Packet::Upgrade), now), Verdict::Upgraded);
    }

    #[test]
    fn anything_else_ends_the_trial() {
        let now = Instant::now();
        for packet in [
            None,
            Some(Packet::Ping),
            Some(Packet::Message("early".into())),
            Some(Packet::Close),
        ] {
            let mut trial = Trial::begin(now, TIMEOUT);
            assert_eq!(trial.hear(packet.as_ref(), now), Verdict::Refused);
        }
    }

    #[test]
    fn polls_are_released_again_and_again_once_it_has_probed() {
        let mut now = Instant::now();
        let mut trial = Trial::begin(now, TIMEOUT);
        assert_eq!(trial.due(now + RELEASE_EVERY), Due::Nothing);
        trial.hear(Some(&Packet::PingUpgrade), now);
        for _ in 0..3 {
            assert_eq!(trial.due(now), Due::Nothing);
            now = trial.deadline();
            assert_eq!(trial.due(now), Due::Release);
        }
    }

    #[test]
    fn a_trial_does_not_last_for_ever() {
        let now = Instant::now();
        let mut trial = Trial::begin(now, TIMEOUT);
        assert_eq!(trial.deadline(), now + TIMEOUT);
        trial.hear(Some(&Packet::PingUpgrade), now);
        assert_eq!(trial.due(now + TIMEOUT), Due::GiveUp);
    }
}
