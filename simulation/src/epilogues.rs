//! What is tried at the end of a random schedule, when the world is at rest and everything is known that must come next.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use vaultcast::vault::machine::VaultInput;

use crate::{
    cluster_shell::BusService,
    config::BusModel,
    database::Database,
    log::Log,
    names::Change,
    node::Stage,
    random::{SWEEP_INTERVAL, make_progress},
    steps::Step,
    world::World,
};

/// The time in which hints are sent, and the time by which nodes delay those that they receive, are shorter.
const HINT_TIME: Duration = Duration::from_millis(4);

/// Commits a mutation on one node. While the bus works, the event reaches the subscribers of the other nodes without a sweep.
pub fn check_hints(world: &mut World, random: &mut ChaCha8Rng, log: &mut Log) -> usize {
    let works = world.config.bus != BusModel::Off && world.bus == BusService::Working;
    let writer = world.clients[0].connection.map(|address| address.node);
    let (true, Some(writer), None) = (works, writer, &world.violation) else {
        return 0;
    };
    let mut others = (0..world.nodes.len()).filter(|node| *node != writer);
    let Some(vault) = others.find_map(|node| world.subscribed_vault(node)) else {
        return 0;
    };
    log.line(|| "a last mutation, whose event arrives by a hint".to_owned());
    world.budget.mutations = 1;
    let change = Change::Create;
    let mutate = Step::Mutate {
        client: 0,
        vault,
        change,
    };
    world.apply(mutate, log);
    let mut steps = make_progress(world, random, log);
    for _ in 0..4 {
        world.pass_on_links(HINT_TIME, log);
        world.end_batch_window(writer, vault, log);
        steps += make_progress(world, random, log);
    }
    if world.violation.is_none() {
        world.check_rest();
    }
    steps
}

/// Puts a database back that lacks the last event of a vault. The sweep finds it, and the subscribers list again.
pub fn check_put_back(world: &mut World, random: &mut ChaCha8Rng, log: &mut Log) -> usize {
    let mut nodes = 0..world.nodes.len();
    let vault = nodes.find_map(|node| world.subscribed_vault(node));
    let (Some(vault), None) = (vault, &world.violation) else {
        return 0;
    };
    let rows = &world.database.vaults[vault];
    if world.nodes.len() < 2 || rows.head() <= rows.trimmed {
        return 0;
    }
    log.line(|| format!("vault {vault} loses event {}", rows.head()));
    world.put_back(vault);
    let mut steps = 0;
    for _ in 0..3 {
        world.pass_on_links(SWEEP_INTERVAL, log);
        steps += make_progress(world, random, log);
    }
    if world.violation.is_none() {
        world.check_rest();
    }
    steps
}

impl World {
    /// Returns a vault with subscribers on this node that is not deleted.
    fn subscribed_vault(&self, node: usize) -> Option<usize> {
        let mut vaults = self.nodes[node].vaults.iter();
        let (vault, _) = vaults.find(|(vault, actor)| {
            let is_deleted = self.database.vaults[**vault].vault.members.is_empty();
            actor.machine.subscribers() > 0 && !is_deleted
        })?;
        Some(*vault)
    }

    fn end_batch_window(&mut self, node: usize, vault: usize, log: &mut Log) {
        let actor = self.nodes[node].vaults.get(&vault);
        if actor.is_some_and(|actor| actor.stage == Stage::Running) {
            self.vault_input(node, vault, VaultInput::Tick, log);
        }
    }

    /// Removes the last event of a vault, and what the clients know of it.
    fn put_back(&mut self, vault: usize) {
        let mut initial = Database::new(self.config.vaults, self.config.clients);
        let initial = initial.vaults.swap_remove(vault).vault;
        self.database.vaults[vault].put_back(&initial);
        self.put_back = Some(vault);
        self.disturbances[vault] += 1;
        self.losses += 1;
        for client in &mut self.clients {
            client.answered.remove(&vault);
            client.copy(vault).known = 0;
        }
    }
}
