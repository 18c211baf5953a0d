//! Visits every state of a small world, with every order of its steps.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use stateright::{Checker, Model, Property};

use crate::{
    config::{Budget, BusModel, Config},
    log::Log,
    mistakes::Mistake,
    random::come_to_rest,
    steps::{Scope, Step},
    world::World,
};

/// A small world.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub config: Config,
}

/// The numbers of a complete search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visited {
    pub states: usize,
    /// The first property that does not hold, with the steps that lead there.
    pub failure: Option<String>,
}

impl Model for Scenario {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.config.clone())]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.violation.is_none() {
            *steps = world.steps(Scope::All);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = world.clone();
        next.apply(step, &mut Log::default());
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no promise is broken", |_, world: &World| {
                world.violation.is_none()
            }),
            Property::always("at rest every client has everything", |_, world: &World| {
                is_complete_at_rest(world)
            }),
        ]
    }
}

/// Returns whether the world is not at rest, or nothing is missing.
fn is_complete_at_rest(world: &World) -> bool {
    if !world.steps(Scope::Progress).is_empty() {
        return true;
    }
    let mut rest = world.clone();
    let mut random = ChaCha8Rng::seed_from_u64(0);
    come_to_rest(&mut rest, &mut random, &mut Log::default());
    rest.violation.is_none()
}

impl Scenario {
    /// Visits every state.
    pub fn visit(self) -> Visited {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let checker = self.checker().threads(threads).spawn_bfs().join();
        let failure = checker.discoveries().into_iter().next();
        Visited {
            states: checker.unique_state_count(),
            failure: failure.map(|(property, path)| {
                let steps: Vec<_> = path
                    .into_actions()
                    .iter()
                    .map(|step| format!("{step:?}"))
                    .collect();
                format!("{property}:\n{}", steps.join("\n"))
            }),
        }
    }
}

/// Returns the scenarios that the tests visit completely.
pub fn scenarios() -> Vec<Scenario> {
    let one = config(1, 1);
    let faults = |mutations, budget: Budget| Budget {
        mutations,
        joins: 1,
        ..budget
    };
    vec![
        scenario("join-and-write", &one, faults(2, Budget::default())),
        scenario(
            "cut-and-recover",
            &one,
            faults(
                1,
                Budget {
                    cuts: 1,
                    pings: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "failed-transactions",
            &one,
            faults(
                2,
                Budget {
                    transaction_faults: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "panics",
            &one,
            faults(
                1,
                Budget {
                    panics: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "crash",
            &one,
            faults(
                1,
                Budget {
                    crashes: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "leave",
            &one,
            faults(
                1,
                Budget {
                    leaves: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario("two-nodes", &config(2, 1), faults(2, Budget::default())),
        scenario(
            "two-nodes-and-cut",
            &config(2, 1),
            faults(
                1,
                Budget {
                    cuts: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "two-nodes-and-sweep",
            &config(2, 1),
            faults(
                1,
                Budget {
                    hint_faults: 1,
                    link_wake_ups: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "two-nodes-and-broken-bus",
            &config(2, 1),
            faults(
                1,
                Budget {
                    bus_faults: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario("two-clients", &config(1, 2), faults(2, Budget::default())),
        scenario(
            "removed-member",
            &config(1, 2),
            faults(
                0,
                Budget {
                    membership_changes: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "panic-and-failed-transaction",
            &one,
            faults(
                2,
                Budget {
                    panics: 1,
                    transaction_faults: 1,
                    ..Budget::default()
                },
            ),
        ),
        scenario(
            "join-again",
            &one,
            Budget {
                mutations: 2,
                joins: 2,
                ..Budget::default()
            },
        ),
    ]
}

fn scenario(name: &'static str, config: &Config, budget: Budget) -> Scenario {
    Scenario {
        name,
        config: Config {
            budget,
            ..config.clone()
        },
    }
}

fn config(nodes: usize, clients: usize) -> Config {
    Config {
        nodes,
        relays_per_node: 1,
        vaults: 1,
        clients,
        vault_queue: 2,
        commit_batch: 2,
        relay_mailbox: 2,
        outbox: 8,
        traced_packets: 8,
        bus: BusModel::Prompt,
        budget: Budget::default(),
        mistake: None,
    }
}

/// Returns the scenario of this name with a mistake.
pub fn with_mistake(mut scenario: Scenario, mistake: Mistake) -> Scenario {
    scenario.config.mistake = Some(mistake);
    scenario
}
