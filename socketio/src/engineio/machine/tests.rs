//! Tests of the lifecycle under a simulated clock.

use std::time::{Duration, Instant};

use engineioxide_core::{Packet, ProtocolVersion, TransportType};
use proptest::prelude::*;

use super::lifecycle::{SessionEffect, SessionInput, SessionPhase, StepContext};
use crate::engineio::{close_reason::CloseReason, config::EngineConfig};

/// A state machine with its clock and the effects that it has returned.
struct SimulatedSession {
    phase: SessionPhase,
    now: Instant,
    config: EngineConfig,
    transport: TransportType,
    effects: Vec<SessionEffect>,
}

impl SimulatedSession {
    fn websocket() -> Self {
        Self::new(ProtocolVersion::V4, TransportType::Websocket)
    }

    /// Returns the session of a client of version 3.
    fn version_3() -> Self {
        Self::new(ProtocolVersion::V3, TransportType::Websocket)
    }

    fn polling() -> Self {
        Self::new(ProtocolVersion::V4, TransportType::Polling)
    }

    fn new(version: ProtocolVersion, transport: TransportType) -> Self {
        let config = EngineConfig {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            ..EngineConfig::default()
        };
        let now = Instant::now();
        Self {
            phase: SessionPhase::open(version, now, &config),
            now,
            config,
            transport,
            effects: Vec::new(),
        }
    }

    /// Advances the clock and ticks.
    fn advance(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self.step(SessionInput::Tick)
    }

    fn step(&mut self, input: SessionInput) -> &mut Self {
        let context = StepContext {
            now: self.now,
            transport: self.transport,
            config: &self.config,
        };
        self.effects.extend(self.phase.step(input, context));
        self
    }

    fn receive(&mut self, packet: Packet) -> &mut Self {
        self.step(SessionInput::Packet(packet))
    }

    /// Returns the effects since the last call.
    fn take_effects(&mut self) -> Vec<SessionEffect> {
        std::mem::take(&mut self.effects)
    }
}

const SEND_PING: SessionEffect = SessionEffect::Send(Packet::Ping);

#[test]
fn client_of_version_3_pings_and_stays_open() {
    let mut session = SimulatedSession::version_3();
    for _ in 0..3 {
        session.advance(499).receive(Packet::Ping);
        assert_eq!(session.take_effects(), [SessionEffect::AnswerPing]);
    }
    session.step(SessionInput::RequestHeartbeat);
    assert_eq!(session.take_effects(), []);
}

#[test]
fn client_of_version_3_that_sends_no_ping_is_closed_after_both_times() {
    let mut session = SimulatedSession::version_3();
    session.advance(100).receive(Packet::Message("a".into()));
    session.take_effects();
    session.advance(399);
    assert_eq!(session.take_effects(), []);
    session.advance(1);
    let effects = session.take_effects();
    assert_eq!(
        effects.first(),
        Some(&SessionEffect::Close(CloseReason::PingTimeout))
    );
}

#[test]
fn pong_of_a_client_of_version_3_is_malformed() {
    let mut session = SimulatedSession::version_3();
    let effects = session.receive(Packet::Pong).take_effects();
    assert_eq!(
        effects.first(),
        Some(&SessionEffect::Close(CloseReason::ParseError))
    );
}

#[test]
fn ping_is_sent_at_its_interval_and_not_before() {
    let mut session = SimulatedSession::websocket();
    assert_eq!(session.advance(299).take_effects(), []);
    assert_eq!(session.advance(1).take_effects(), [SEND_PING]);
    assert_eq!(
        session.advance(100).take_effects(),
        [],
        "one ping at a time"
    );
}

#[test]
fn silent_client_is_closed_at_its_ping_timeout() {
    let mut session = SimulatedSession::websocket();
    session.advance(300).take_effects();
    assert_eq!(session.advance(199).take_effects(), []);
    assert_eq!(
        session.advance(1).take_effects(),
        [
            SessionEffect::Close(CloseReason::PingTimeout),
            SessionEffect::Release
        ]
    );
    assert_eq!(session.phase.deadline(), None);
}

#[test]
fn late_ping_of_the_server_leaves_the_client_time_to_answer() {
    let mut session = SimulatedSession::websocket();
    session.advance(350).take_effects();
    assert_eq!(
        session.phase.deadline(),
        Some(session.now + Duration::from_millis(150))
    );

    let mut session = SimulatedSession::websocket();
    session.advance(5000).take_effects();
    assert_eq!(
        session.phase.deadline(),
        Some(session.now + Duration::from_millis(100))
    );
}

#[test]
fn unsolicited_pong_does_not_delay_the_next_ping() {
    let mut session = SimulatedSession::websocket();
    session.advance(200).receive(Packet::Pong);
    assert_eq!(session.advance(100).take_effects(), [SEND_PING]);
}

#[test]
fn requested_heartbeat_sends_one_ping_until_it_is_answered() {
    let mut session = SimulatedSession::websocket();
    let sent = session
        .advance(100)
        .step(SessionInput::RequestHeartbeat)
        .step(SessionInput::RequestHeartbeat)
        .take_effects();
    assert_eq!(sent, [SEND_PING]);
    let answered = session.advance(100).receive(Packet::Pong).take_effects();
    assert_eq!(answered, [SessionEffect::NotifyPong]);
    // The next ping is due one interval after the pong.
    assert_eq!(session.advance(299).take_effects(), []);
    assert_eq!(session.advance(1).take_effects(), [SEND_PING]);
    // A requested ping has the same timeout as a scheduled one.
    session
        .receive(Packet::Pong)
        .step(SessionInput::RequestHeartbeat);
    session.take_effects();
    assert_eq!(
        session.advance(200).take_effects().first(),
        Some(&SessionEffect::Close(CloseReason::PingTimeout))
    );
}

#[test]
fn orderly_close_notifies_at_once_and_releases_after_the_flush() {
    let mut session = SimulatedSession::websocket();
    assert_eq!(
        session
            .step(SessionInput::Close(CloseReason::Shutdown))
            .take_effects(),
        [SessionEffect::Close(CloseReason::Shutdown)]
    );
    assert_eq!(
        session
            .receive(Packet::Message("late".into()))
            .take_effects(),
        []
    );
    assert_eq!(
        session.step(SessionInput::Flushed).take_effects(),
        [SessionEffect::Release]
    );
}

#[test]
fn orderly_close_does_not_wait_for_a_peer_that_does_not_read() {
    let mut session = SimulatedSession::websocket();
    session
        .step(SessionInput::Close(CloseReason::Forced))
        .take_effects();
    assert_eq!(
        session.advance(200).take_effects(),
        [SessionEffect::Release]
    );
}

#[test]
fn polling_session_closed_by_the_server_is_kept_for_thirty_seconds() {
    for reason in [CloseReason::Slow, CloseReason::Shutdown] {
        let mut session = SimulatedSession::polling();
        assert_eq!(
            session.step(SessionInput::Close(reason)).take_effects(),
            [SessionEffect::Close(reason)]
        );
        assert_eq!(session.advance(29_999).take_effects(), []);
        assert_eq!(session.advance(1).take_effects(), [SessionEffect::Release]);
    }
}

#[test]
fn polling_session_with_a_malformed_packet_is_released_at_once() {
    let mut session = SimulatedSession::polling();
    assert_eq!(
        session.step(SessionInput::Malformed).take_effects(),
        [
            SessionEffect::Close(CloseReason::ParseError),
            SessionEffect::Release
        ]
    );
}

#[test]
fn packet_that_only_a_server_sends_closes_the_session() {
    for packet in [Packet::Ping, Packet::PingUpgrade] {
        let mut session = SimulatedSession::websocket();
        assert_eq!(
            session.receive(packet).take_effects(),
            [SessionEffect::Close(CloseReason::ParseError)]
        );
    }
}

fn any_input() -> impl Strategy<Value = SessionInput> {
    let reason = prop_oneof![
        Just(CloseReason::Slow),
        Just(CloseReason::Forced),
        Just(CloseReason::TransportClose),
        Just(CloseReason::Shutdown),
    ];
    prop_oneof![
        4 => Just(SessionInput::Tick),
        4 => Just(SessionInput::Packet(Packet::Pong)),
        4 => Just(SessionInput::Packet(Packet::Message("hello".into()))),
        1 => Just(SessionInput::Packet(Packet::Ping)),
        1 => Just(SessionInput::Packet(Packet::Close)),
        1 => Just(SessionInput::RequestHeartbeat),
        1 => Just(SessionInput::Malformed),
        1 => reason.clone().prop_map(SessionInput::Close),
        1 => reason.prop_map(SessionInput::TransportEnded),
        1 => Just(SessionInput::Flushed),
    ]
}

proptest! {
    #[test]
    fn session_closes_once_and_has_no_effects_afterwards(
        polling in any::<bool>(),
        inputs in prop::collection::vec((0u64..400, any_input()), 0..60)
    ) {
        let transport = match polling {
            true => TransportType::Polling,
            false => TransportType::Websocket,
        };
        let mut session = SimulatedSession::new(ProtocolVersion::V4, transport);
        for (ms, input) in inputs {
            session.now += Duration::from_millis(ms);
            session.step(input);
        }
        let effects = session.take_effects();
        let is_close = |effect: &SessionEffect| matches!(effect, SessionEffect::Close(_));
        let closes = effects.iter().filter(|effect| is_close(effect)).count();
        prop_assert!(closes <= 1);
        prop_assert_eq!(closes == 0, session.phase.is_open());
        if let Some(close) = effects.iter().position(is_close) {
            let after = &effects[close + 1..];
            prop_assert!(
                after.is_empty() || after == [SessionEffect::Release],
                "after the close: {after:?}"
            );
            prop_assert_eq!(!after.is_empty(), session.phase == SessionPhase::Closed);
        }
    }

    #[test]
    fn client_that_answers_its_pings_in_time_stays_connected(
        delays in prop::collection::vec(0u64..200, 1..40)
    ) {
        let mut session = SimulatedSession::websocket();
        for ms in delays {
            prop_assert_eq!(session.advance(300).take_effects(), vec![SEND_PING]);
            let answered = session.advance(ms).receive(Packet::Pong).take_effects();
            prop_assert_eq!(answered, vec![SessionEffect::NotifyPong]);
        }
        prop_assert!(session.phase.is_open());
    }

    #[test]
    fn client_that_never_answers_is_closed_within_interval_and_timeout(
        steps in prop::collection::vec(1u64..100, 60)
    ) {
        let mut session = SimulatedSession::websocket();
        let opened = session.now;
        // The session actor ticks at each deadline, so a deadline is never more than one step in the past.
        for ms in steps {
            let next = session.now + Duration::from_millis(ms);
            while let Some(at) = session.phase.deadline().filter(|at| *at <= next) {
                session.now = at;
                session.step(SessionInput::Tick);
            }
            session.now = next;
            prop_assert!(!session.phase.is_open() || session.now < opened + Duration::from_millis(500));
        }
    }
}
