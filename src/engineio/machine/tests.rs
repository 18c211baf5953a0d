//! The machine under a clock that only the test moves.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// A machine with its clock and everything it has asked for.
struct Life {
    phase: Phase,
    now: Instant,
    config: Config,
    transport: TransportType,
    effects: Vec<Effect>,
}

impl Life {
    fn begin() -> Self {
        Self::on(TransportType::Websocket)
    }

    fn on(transport: TransportType) -> Self {
        let config = Config {
            ping_interval: Duration::from_millis(300),
            ping_timeout: Duration::from_millis(200),
            ..Config::default()
        };
        let now = Instant::now();
        Self {
            phase: Phase::open(now, &config),
            now,
            config,
            transport,
            effects: Vec::new(),
        }
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self.hear(Input::Tick)
    }

    fn hear(&mut self, input: Input) -> &mut Self {
        let moment = Moment {
            now: self.now,
            transport: self.transport,
            config: &self.config,
        };
        let (phase, effects) = self.phase.clone().step(input, moment);
        self.phase = phase;
        self.effects.extend(effects);
        self
    }

    fn said(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

#[test]
fn a_ping_leaves_at_its_interval_and_not_before() {
    let mut life = Life::begin();
    assert_eq!(life.after(299).said(), []);
    assert_eq!(life.after(1).said(), [Effect::Send(Packet::Ping)]);
    assert_eq!(life.after(100).said(), [], "one ping at a time");
}

#[test]
fn a_silent_client_is_closed_at_its_ping_timeout() {
    let mut life = Life::begin();
    life.after(300).said();
    assert_eq!(life.after(199).said(), []);
    assert_eq!(
        life.after(1).said(),
        [Effect::End(CloseReason::PingTimeout), Effect::Release]
    );
    assert_eq!(life.phase.deadline(), None);
}

#[test]
fn a_server_that_pings_late_does_not_blame_the_client() {
    let mut life = Life::begin();
    life.after(350).said();
    assert_eq!(
        life.phase.deadline(),
        Some(life.now + Duration::from_millis(150))
    );

    let mut life = Life::begin();
    life.after(5000).said();
    assert_eq!(
        life.phase.deadline(),
        Some(life.now + Duration::from_millis(100))
    );
}

#[test]
fn a_pong_that_nobody_asked_for_does_not_put_off_the_ping() {
    let mut life = Life::begin();
    life.after(200).hear(Input::Packet(Packet::Pong));
    assert_eq!(life.after(100).said(), [Effect::Send(Packet::Ping)]);
}

#[test]
fn a_heart_may_beat_before_its_time_but_not_twice_without_an_answer() {
    let mut life = Life::begin();
    let beats = life.after(100).hear(Input::Beat).hear(Input::Beat).said();
    assert_eq!(beats, [Effect::Send(Packet::Ping)]);
    let answered = life.after(100).hear(Input::Packet(Packet::Pong)).said();
    assert_eq!(answered, [Effect::Answered]);
    // The next one is due an interval after the answer.
    assert_eq!(life.after(299).said(), []);
    assert_eq!(life.after(1).said(), [Effect::Send(Packet::Ping)]);
    // Who does not answer in time is gone, early or not.
    life.hear(Input::Packet(Packet::Pong)).hear(Input::Beat);
    life.said();
    assert_eq!(
        life.after(200).said().first(),
        Some(&Effect::End(CloseReason::PingTimeout))
    );
}

#[test]
fn an_orderly_close_tells_at_once_and_releases_when_all_has_left() {
    let mut life = Life::begin();
    assert_eq!(
        life.hear(Input::Close(CloseReason::Shutdown)).said(),
        [Effect::End(CloseReason::Shutdown)]
    );
    assert_eq!(
        life.hear(Input::Packet(Packet::Message("late".into())))
            .said(),
        []
    );
    assert_eq!(life.hear(Input::Flushed).said(), [Effect::Release]);
}

#[test]
fn an_orderly_close_does_not_wait_for_a_peer_that_does_not_read() {
    let mut life = Life::begin();
    life.hear(Input::Close(CloseReason::Forced)).said();
    assert_eq!(life.after(200).said(), [Effect::Release]);
}

#[test]
fn a_client_that_polls_is_told_of_the_servers_close_for_half_a_minute() {
    for reason in [CloseReason::Slow, CloseReason::Shutdown] {
        let mut life = Life::on(TransportType::Polling);
        assert_eq!(
            life.hear(Input::Close(reason)).said(),
            [Effect::End(reason)]
        );
        assert_eq!(life.after(29_999).said(), []);
        assert_eq!(life.after(1).said(), [Effect::Release]);
    }
}

#[test]
fn a_client_that_polls_and_breaks_the_rules_is_unknown_at_once() {
    let mut life = Life::on(TransportType::Polling);
    let end = [Effect::End(CloseReason::ParseError), Effect::Release];
    assert_eq!(life.hear(Input::Malformed).said(), end);
}

#[test]
fn the_servers_words_in_a_clients_mouth_close_its_session() {
    for word in [Packet::Ping, Packet::PingUpgrade] {
        let mut life = Life::begin();
        assert_eq!(
            life.hear(Input::Packet(word)).said(),
            [Effect::End(CloseReason::ParseError)]
        );
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    let reason = prop_oneof![
        Just(CloseReason::Slow),
        Just(CloseReason::Forced),
        Just(CloseReason::TransportClose),
        Just(CloseReason::Shutdown),
    ];
    prop_oneof![
        4 => Just(Input::Tick),
        4 => Just(Input::Packet(Packet::Pong)),
        4 => Just(Input::Packet(Packet::Message("hello".into()))),
        1 => Just(Input::Packet(Packet::Ping)),
        1 => Just(Input::Packet(Packet::Close)),
        1 => Just(Input::Beat),
        1 => Just(Input::Malformed),
        1 => reason.clone().prop_map(Input::Close),
        1 => reason.prop_map(Input::Gone),
        1 => Just(Input::Flushed),
    ]
}

proptest! {
    #[test]
    fn every_life_ends_once_and_says_nothing_after(
        polling in any::<bool>(),
        inputs in prop::collection::vec((0u64..400, any_input()), 0..60)
    ) {
        let mut life = Life::on(match polling {
            true => TransportType::Polling,
            false => TransportType::Websocket,
        });
        for (ms, input) in inputs {
            life.now += Duration::from_millis(ms);
            life.hear(input);
        }
        let said = life.said();
        let ends = said.iter().filter(|effect| matches!(effect, Effect::End(_))).count();
        prop_assert!(ends <= 1);
        prop_assert_eq!(ends == 0, life.phase.is_alive());
        if let Some(end) = said.iter().position(|effect| matches!(effect, Effect::End(_))) {
            let after = &said[end + 1..];
            prop_assert!(after.is_empty() || after == [Effect::Release], "after the end: {after:?}");
            prop_assert_eq!(!after.is_empty(), life.phase == Phase::Closed);
        }
    }

    #[test]
    fn a_client_that_answers_its_pings_in_time_stays(
        delays in prop::collection::vec(0u64..200, 1..40)
    ) {
        let mut life = Life::begin();
        for ms in delays {
            prop_assert_eq!(life.after(300).said(), vec![Effect::Send(Packet::Ping)]);
            let answered = life.after(ms).hear(Input::Packet(Packet::Pong)).said();
            prop_assert_eq!(answered, vec![Effect::Answered]);
        }
        prop_assert!(life.phase.is_alive());
    }

    #[test]
    fn a_client_that_answers_nothing_lives_no_longer_than_interval_and_timeout(
        steps in prop::collection::vec(1u64..100, 60)
    ) {
        let mut life = Life::begin();
        let opened = life.now;
        // The shell ticks at each deadline, so a deadline never lies in the past for longer than one step.
        for ms in steps {
            let next = life.now + Duration::from_millis(ms);
            while let Some(at) = life.phase.deadline().filter(|at| *at <= next) {
                life.now = at;
                life.hear(Input::Tick);
            }
            life.now = next;
            prop_assert!(!life.phase.is_alive() || life.now < opened + Duration::from_millis(500));
        }
    }
}
