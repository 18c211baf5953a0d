//! Checks every scenario, and that the model detects every injected mistake.

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    bounds::{InjectedMistake, ModelBounds},
    check_scenario, scenarios,
};

/// Asserts that a scenario violates no property, reaches every state that it must reach, and has at least this many
/// states.
fn assert_properties_hold(bounds: ModelBounds, at_least: usize) {
    let scenario = scenarios::ALL
        .iter()
        .find(|(_, scenario)| *scenario == bounds);
    let (name, _) = scenario.expect("the scenario is in the list");
    let (states, failed_properties) = check_scenario(name, bounds);
    assert!(failed_properties.is_empty(), "{failed_properties:#?}");
    assert!(
        states >= at_least,
        "only {states} states, expected at least {at_least}"
    );
}

#[test]
fn failed_transactions_and_panics_violate_no_promise() {
    assert_properties_hold(scenarios::COMMITS, 70_000);
}

#[test]
fn crash_loses_no_acknowledged_mutation_and_no_event() {
    assert_properties_hold(scenarios::CRASHES, 100_000);
}

#[test]
fn relay_that_falls_behind_loses_no_event() {
    assert_properties_hold(scenarios::BEHIND, 50_000);
}

#[test]
fn relay_that_is_behind_during_a_panic_loses_no_event() {
    assert_properties_hold(scenarios::BEHIND_AND_PANIC, 20_000);
}

#[test]
fn slow_client_reconnects_and_receives_every_event() {
    assert_properties_hold(scenarios::SLOW, 2_000);
}

#[test]
fn interrupted_upgrade_neither_loses_nor_repeats_an_event() {
    assert_properties_hold(scenarios::UPGRADE, 200_000);
}

#[test]
fn connection_is_recovered_completely_or_not_at_all() {
    assert_properties_hold(scenarios::RECOVERY, 100_000);
}

#[test]
fn removed_user_receives_no_event_after_the_removal() {
    assert_properties_hold(scenarios::MEMBERS, 50_000);
}

#[test]
fn client_receives_nothing_after_its_leave() {
    assert_properties_hold(scenarios::LEAVING, 150_000);
}

#[test]
fn two_processes_write_one_vault_in_one_order() {
    assert_properties_hold(scenarios::PROCESSES, 300_000);
}

/// Asserts that a mistake violates its property within `max_steps` steps. A breadth-first search finds a shortest
/// counterexample first.
fn assert_detected(mistake: InjectedMistake, bounds: ModelBounds, max_steps: usize) {
    let property = mistake.violated_property();
    let finish = HasDiscoveries::AnyOf([property].into());
    let checker = bounds
        .with(mistake)
        .checker()
        .finish_when(finish)
        .spawn_bfs()
        .join();
    let path = checker.discovery(property);
    let steps = path
        .unwrap_or_else(|| panic!("{mistake:?} does not violate \"{property}\""))
        .into_actions();
    println!(
        "{mistake:?} violates \"{property}\" in {} steps: {steps:?}",
        steps.len()
    );
    assert!(
        steps.len() <= max_steps,
        "{} steps, expected at most {max_steps}",
        steps.len()
    );
}

#[test]
fn publishing_before_the_commit_is_detected() {
    assert_detected(InjectedMistake::PublishBeforeCommit, scenarios::COMMITS, 10);
}

#[test]
fn answering_before_the_commit_is_detected() {
    assert_detected(InjectedMistake::AnswerBeforeCommit, scenarios::COMMITS, 10);
}

#[test]
fn treating_an_unknown_commit_as_a_failure_is_detected() {
    assert_detected(
        InjectedMistake::TreatUnknownAsFailure,
        scenarios::COMMITS,
        10,
    );
}

#[test]
fn loading_a_vault_during_its_transaction_is_detected() {
    assert_detected(
        InjectedMistake::LoadDuringTransaction,
        scenarios::COMMITS,
        14,
    );
}

#[test]
fn panic_without_a_notice_is_detected() {
    assert_detected(InjectedMistake::PanicWithoutNotice, scenarios::COMMITS, 14);
}

#[test]
fn answer_outside_the_mailbox_is_detected() {
    assert_detected(
        InjectedMistake::AnswerOutsideMailbox,
        scenarios::COMMITS,
        14,
    );
}

#[test]
fn attaching_without_last_sent_is_detected() {
    assert_detected(
        InjectedMistake::AttachWithoutLastSent,
        scenarios::BEHIND,
        25,
    );
}

#[test]
fn skipping_events_outside_the_ring_is_detected() {
    assert_detected(
        InjectedMistake::SkipEventsOutsideRing,
        scenarios::BEHIND_AND_PANIC,
        15,
    );
}

#[test]
fn sending_before_the_upgrade_is_complete_is_detected() {
    assert_detected(InjectedMistake::SendBeforeUpgrade, scenarios::UPGRADE, 21);
}

#[test]
fn treating_sent_packets_as_received_is_detected() {
    assert_detected(
        InjectedMistake::TreatSentAsReceived,
        scenarios::RECOVERY,
        26,
    );
}

#[test]
fn resuming_past_a_removal_is_detected() {
    assert_detected(InjectedMistake::ResumePastRemoval, scenarios::MEMBERS, 19);
}

#[test]
fn joining_past_a_removal_is_detected() {
    assert_detected(InjectedMistake::JoinPastRemoval, scenarios::MEMBERS, 19);
}

#[test]
fn subscription_that_outlives_a_leave_is_detected() {
    assert_detected(
        InjectedMistake::LeaveKeepsSubscription,
        scenarios::LEAVING,
        10,
    );
}

#[test]
fn moving_the_head_without_a_comparison_is_detected() {
    assert_detected(
        InjectedMistake::MoveHeadWithoutComparison,
        scenarios::PROCESSES,
        11,
    );
}
