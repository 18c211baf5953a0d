//! Load generator for servers of shared vaults on Socket.IO. See `../README.md`.

mod connections;
mod net;
mod plan;
mod report;
mod run_idle;
mod run_mutations;
mod subs;
mod usage;
mod util;
mod vaults;
mod writers;

use std::sync::Arc;

use plan::{Plan, Scenario};
use report::Report;
use subs::Shared;
use usage::Usage;

fn main() {
    let plan = Plan::from_arguments();
    let vaults = vaults::create(&plan);
    let shared = Arc::new(Shared::new(plan.vaults, plan.threads));
    let mut report = Report::default();
    report.text("scenario", plan.scenario.name());
    report.text("label", &plan.label);
    report.count("vaults", plan.vaults as u64);

    let before = Usage::now(plan.pid);
    let connections = connections::open(&plan, &vaults, &shared, &mut report);
    let mut mutations = None;
    match plan.scenario {
        Scenario::Fanout | Scenario::Mutate => {
            mutations = Some(run_mutations::run(&plan, &vaults, &shared, &mut report));
        }
        Scenario::Idle => run_idle::run(&plan, &shared, &before, &mut report),
        Scenario::Connect => {
            let after = Usage::now(plan.pid);
            report.usage(&plan, &before, &after);
        }
    }
    let totals = connections.close(&plan, &shared, &mut report);
    if let (Scenario::Fanout, Some(mutations)) = (plan.scenario, &mutations) {
        mutations.report_deliveries(&plan, &totals, &mut report);
    }
    connections::report_disconnects(&plan, &totals, &shared, &mut report);
    report.rounded("setup_calls_per_s", vaults.calls_per_second, 0);
    report.print(&plan, &totals);
}

/// Ends the process with a message.
fn die(message: String) -> ! {
    eprintln!("loadgen: {message}");
    std::process::exit(1)
}
