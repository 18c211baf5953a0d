//! Random schedules: a seed chooses the size of a world, the faults in it, and every step.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    config::{Budget, BusModel, Config},
    epilogues::{check_hints, check_put_back},
    log::Log,
    mistakes::Mistake,
    promises::{Promise, Violation},
    steps::{Scope, Step},
    vault_copy::Interest,
    world::World,
};

/// The time after which the links compare heads again.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// How many steps of progress a run may need to come to rest.
const MAX_PROGRESS_STEPS: usize = 200_000;

/// The result of one run.
#[derive(Clone, Debug)]
pub struct Run {
    pub steps: usize,
    pub violation: Option<Violation>,
}

/// Runs the schedule of a seed.
pub fn run(seed: u64, mistake: Option<Mistake>, log: &mut Log) -> Run {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(random_config(&mut random, mistake));
    log.line(|| format!("seed {seed}: {:?}", world.config));
    let length = random.random_range(50..1_500);
    let mut steps = 0;
    while steps < length && world.violation.is_none() {
        let enabled = world.steps(Scope::All);
        let Some(step) = choose(&enabled, &mut random) else {
            break;
        };
        world.apply(step, log);
        steps += 1;
    }
    steps += come_to_rest(&mut world, &mut random, log);
    steps += check_hints(&mut world, &mut random, log);
    steps += check_put_back(&mut world, &mut random, log);
    Run {
        steps,
        violation: world.violation,
    }
}

/// Stops all faults and lets everything end that is under way. Then every client must have everything. The bus stays as it is:
/// the sweep is enough.
pub fn come_to_rest(world: &mut World, random: &mut ChaCha8Rng, log: &mut Log) -> usize {
    log.line(|| "no more faults, and no more requests".to_owned());
    world.budget = Budget::default();
    let mut steps = 0;
    // A wake-up may start a retry, whose progress is awaited. Idle vaults would retire and start for ever.
    for _ in 0..3 {
        steps += make_progress(world, random, log);
        wake_all(world, log);
        world.pass_on_links(SWEEP_INTERVAL, log);
    }
    steps += make_progress(world, random, log);
    // The links are not late this time.
    world.pass_on_links(SWEEP_INTERVAL, log);
    steps += make_progress(world, random, log);
    if world.violation.is_none() {
        world.check_rest();
    }
    steps
}

/// Lets everything end that is under way. Returns the number of steps.
pub fn make_progress(world: &mut World, random: &mut ChaCha8Rng, log: &mut Log) -> usize {
    let mut steps = 0;
    while world.violation.is_none() {
        let enabled = world.steps(Scope::Progress);
        let Some(step) = choose(&enabled, random) else {
            break;
        };
        world.apply(step, log);
        steps += 1;
        if steps > MAX_PROGRESS_STEPS {
            world.fail(Promise::Progress, "the world does not come to rest");
        }
    }
    steps
}

/// Wakes vaults and relays.
fn wake_all(world: &mut World, log: &mut Log) {
    for node in 0..world.nodes.len() {
        let vaults: Vec<_> = world.nodes[node].vaults.keys().copied().collect();
        for vault in vaults {
            world.apply(Step::WakeVault { node, vault }, log);
        }
        for relay in 0..world.nodes[node].relays.len() {
            world.apply(Step::WakeRelay { node, relay }, log);
        }
    }
}

/// Chooses a step. Each kind has its own weight, so that rare faults stay rare while there are few other steps.
fn choose(steps: &[Step], random: &mut ChaCha8Rng) -> Option<Step> {
    let total: u32 = steps.iter().map(weight).sum();
    let mut chosen = (total > 0).then(|| random.random_range(0..total))?;
    for step in steps {
        match chosen.checked_sub(weight(step)) {
            Some(rest) => chosen = rest,
            None => return Some(*step),
        }
    }
    None
}

fn weight(step: &Step) -> u32 {
    match step {
        Step::OpenVault { .. }
        | Step::HandleVaultMessage { .. }
        | Step::ExecuteRead { .. }
        | Step::DeliverResult { .. }
        | Step::DeliverOutcome { .. }
        | Step::Lock { .. }
        | Step::Commit { .. }
        | Step::HandleRelayMessage { .. }
        | Step::OutboxDrained { .. }
        | Step::Receive { .. }
        | Step::EndConnection { .. }
        | Step::Read { .. }
        | Step::ReportWaitingHints { .. }
        | Step::CompleteBus { .. }
        | Step::DeliverMessage { .. }
        | Step::ReadHeads { .. }
        | Step::EndSweep { .. }
        | Step::ContinueClaim { .. }
        | Step::EndClaim { .. } => 40,
        Step::Connect { .. } | Step::WakeLink { .. } => 10,
        Step::Mutate { .. } | Step::Join { .. } => 5,
        Step::Ping { .. } | Step::Leave { .. } | Step::Cut { .. } | Step::AbandonConnect { .. } => {
            3
        }
        Step::FailRead { .. }
        | Step::Fail { .. }
        | Step::LoseCommit { .. }
        | Step::LoseRollback { .. }
        | Step::LoseMessage { .. }
        | Step::RepeatMessage { .. }
        | Step::BreakSession { .. }
        | Step::FailSweep { .. }
        | Step::UnloadVault { .. }
        | Step::WakeVault { .. }
        | Step::WakeRelay { .. } => 2,
        Step::PanicVault { .. }
        | Step::PanicRelay { .. }
        | Step::Trim { .. }
        | Step::SetBus { .. }
        | Step::ReportRewound { .. }
        | Step::Crash { .. } => 1,
    }
}

fn random_config(random: &mut ChaCha8Rng, mistake: Option<Mistake>) -> Config {
    let small = random.random_bool(0.5);
    let (max_clients, max_vaults) = if small { (3, 2) } else { (20, 4) };
    let mut faults = |most: usize| {
        if random.random_bool(0.5) {
            random.random_range(0..=most)
        } else {
            0
        }
    };
    let budget = Budget {
        leaves: faults(10),
        membership_changes: faults(10),
        deletions: faults(1),
        cuts: faults(20),
        transaction_faults: faults(6),
        read_faults: faults(4),
        panics: faults(3),
        crashes: faults(2),
        hint_faults: faults(15),
        bus_faults: faults(4),
        link_wake_ups: faults(60),
        unloads: faults(4),
        trims: faults(3),
        wake_ups: faults(6),
        pings: faults(30),
        mutations: 0,
        joins: 0,
    };
    Config {
        nodes: random.random_range(1..=3),
        relays_per_node: random.random_range(1..=2),
        vaults: random.random_range(1..=max_vaults),
        clients: random.random_range(1..=max_clients),
        vault_queue: random.random_range(2..=12),
        commit_batch: random.random_range(1..=4),
        relay_mailbox: random.random_range(2..=20),
        outbox: random.random_range(8..=60),
        traced_packets: random.random_range(4..=200),
        bus: match random.random_bool(0.2) {
            true => BusModel::Off,
            false => BusModel::Slow,
        },
        budget: Budget {
            mutations: random.random_range(5..=80),
            joins: random.random_range(2..=40),
            ..budget
        },
        mistake,
    }
}

impl World {
    /// Checks that nothing waits any more, and that every subscribed client has the whole journal.
    pub fn check_rest(&mut self) {
        self.check_journals();
        let mut failures = Vec::new();
        for client in &self.clients {
            for (vault, copy) in &client.copies {
                let head = self.database.vaults[*vault].head();
                let is_deleted = self.database.vaults[*vault].vault.members.is_empty();
                if copy.interest == Interest::Subscribed
                    && copy.position.next() != Some(head + 1)
                    && !is_deleted
                {
                    failures.push(format!(
                        "client {} expects event {:?} of vault {vault}, whose head is {head}",
                        client.index, copy.position
                    ));
                }
            }
        }
        for (number, sent) in self.mutations.iter().enumerate() {
            let is_connected = self.clients[sent.client].connection == Some(sent.address);
            if sent.answer.is_none() && is_connected {
                failures.push(format!("mutation {number} was not answered"));
            }
        }
        for (index, node) in self.nodes.iter().enumerate() {
            for (vault, actor) in &node.vaults {
                if !actor.requests.is_empty() || !actor.callers.is_empty() {
                    failures.push(format!(
                        "node {index}, vault {vault}: requests wait for ever"
                    ));
                }
            }
            for vault in 0..self.database.vaults.len() {
                let actor = node.vaults.get(&vault);
                let subscribers = actor.map_or(0, |actor| actor.machine.subscribers());
                let live = node.live_seats(vault);
                if subscribers != live {
                    failures.push(format!(
                        "node {index}, vault {vault}: {subscribers} subscribers and {live} live seats"
                    ));
                }
            }
        }
        if let Some(failure) = failures.into_iter().next() {
            self.fail(Promise::Progress, failure);
        }
    }
}
