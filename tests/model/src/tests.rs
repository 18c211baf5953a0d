//! Every world is looked through, and every mistake is caught.

use stateright::{Checker, HasDiscoveries, Model};

use crate::{
    bounds::{Bounds, Mistake},
    look_through, worlds,
};

/// A world keeps every promise in all of its states, which are no fewer than this, and shows what it is there for.
fn holds(bounds: Bounds, at_least: usize) {
    let named = worlds::ALL.iter().find(|(_, world)| *world == bounds);
    let (name, _) = named.expect("a world with a name");
    let (states, surprises) = look_through(name, bounds);
    assert!(surprises.is_empty(), "{surprises:#?}");
    assert!(states >= at_least, "{states} states are too few");
}

#[test]
fn what_goes_wrong_with_a_commit_or_its_actor_breaks_no_promise() {
    holds(worlds::COMMITS, 70_000);
}

#[test]
fn a_crash_loses_nothing_that_was_answered_or_heard() {
    holds(worlds::CRASHES, 100_000);
}

#[test]
fn a_relay_that_falls_behind_loses_nothing() {
    holds(worlds::BEHIND, 50_000);
}

#[test]
fn a_relay_that_is_behind_when_the_actor_dies_loses_nothing() {
    holds(worlds::BEHIND_THE_DEAD, 20_000);
}

#[test]
fn a_client_that_is_slow_comes_back_and_hears_everything() {
    holds(worlds::SLOW, 2_000);
}

#[test]
fn an_upgrade_that_is_cut_anywhere_loses_nothing_and_repeats_nothing() {
    holds(worlds::UPGRADE, 200_000);
}

#[test]
fn a_connection_is_recovered_whole_or_not_at_all() {
    holds(worlds::RECOVERY, 100_000);
}

#[test]
fn who_is_removed_hears_that_and_nothing_after_it() {
    holds(worlds::MEMBERS, 50_000);
}

#[test]
fn who_leaves_hears_nothing_more() {
    holds(worlds::LEAVING, 150_000);
}

#[test]
fn two_processes_write_one_order() {
    holds(worlds::PROCESSES, 300_000);
}

/// A mistake breaks the promise that it is meant to break, within so many steps. Whoever looks breadth-first finds the
/// shortest way first.
fn is_caught(mistake: Mistake, bounds: Bounds, within: usize) {
    let promise = mistake.breaks();
    let finish = HasDiscoveries::AnyOf([promise].into());
    let checker = bounds
        .with(mistake)
        .checker()
        .finish_when(finish)
        .spawn_bfs()
        .join();
    let path = checker.discovery(promise);
    let steps = path
        .unwrap_or_else(|| panic!("{mistake:?} breaks no promise"))
        .into_actions();
    println!(
        "{mistake:?} breaks \"{promise}\" in {} steps: {steps:?}",
        steps.len()
    );
    assert!(steps.len() <= within, "{} steps", steps.len());
}

#[test]
fn to_publish_before_the_commit_is_caught() {
    is_caught(Mistake::PublishBeforeCommit, worlds::COMMITS, 10);
}

#[test]
fn to_answer_before_the_commit_is_caught() {
    is_caught(Mistake::AnswerBeforeCommit, worlds::COMMITS, 10);
}

#[test]
fn to_take_what_is_unknown_for_a_failure_is_caught() {
    is_caught(Mistake::UnknownIsFailure, worlds::COMMITS, 10);
}

#[test]
fn a_second_actor_while_a_transaction_is_out_is_caught() {
    is_caught(
        Mistake::SecondActorWhileATransactionIsOut,
        worlds::COMMITS,
        14,
    );
}

#[test]
fn an_actor_that_dies_in_silence_is_caught() {
    is_caught(Mistake::DiesInSilence, worlds::COMMITS, 14);
}

#[test]
fn a_reply_that_goes_another_way_than_the_events_is_caught() {
    is_caught(Mistake::ReplyAndPushApart, worlds::COMMITS, 14);
}

#[test]
fn a_relay_that_attaches_again_without_its_q_is_caught() {
    is_caught(Mistake::AttachAgainWithoutQ, worlds::BEHIND, 25);
}

#[test]
fn to_forget_that_the_journal_has_what_memory_has_not_is_caught() {
    is_caught(Mistake::TrimsWithoutTheJournal, worlds::BEHIND_THE_DEAD, 15);
}

#[test]
fn to_feed_a_websocket_that_is_on_trial_is_caught() {
    is_caught(Mistake::FeedsTheTrial, worlds::UPGRADE, 21);
}

#[test]
fn to_take_what_was_sent_for_what_was_seen_is_caught() {
    is_caught(Mistake::TakesSentForSeen, worlds::RECOVERY, 26);
}

#[test]
fn to_go_on_after_a_removal_is_caught() {
    is_caught(Mistake::ForgetsTheRemoval, worlds::MEMBERS, 19);
}

#[test]
fn to_join_through_ones_own_removal_is_caught() {
    is_caught(Mistake::JoinsThroughHisRemoval, worlds::MEMBERS, 19);
}

#[test]
fn a_seat_that_outlives_its_leave_is_caught() {
    is_caught(Mistake::LeavesLate, worlds::LEAVING, 10);
}

#[test]
fn to_take_the_head_unseen_is_caught() {
    is_caught(Mistake::TakesTheHeadUnseen, worlds::PROCESSES, 11);
}
