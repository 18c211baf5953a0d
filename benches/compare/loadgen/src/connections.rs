//! Opens the subscribers' connections, waits until they have joined, and collects what they received.

use std::{
    sync::{atomic::Ordering::*, Arc},
    thread::{sleep, spawn, JoinHandle},
    time::Duration,
};

use crate::{
    plan::{Plan, Scenario},
    report::Report,
    subs::{self, Cfg, Shared, Spec, Stats},
    usage::Usage,
    util::{jwt, now_ns},
    vaults::Vaults,
};

/// The run goes on without the connections that have not joined after this time without a join.
const MAX_JOIN_GAP_NS: u64 = 20_000_000_000;

/// The threads of the subscribers.
pub struct Connections(Vec<JoinHandle<Stats>>);

/// Opens all connections, and returns when each has joined its vault or failed.
pub fn open(plan: &Plan, vaults: &Vaults, shared: &Arc<Shared>, report: &mut Report) -> Connections {
    let tokens: Vec<Arc<str>> =
        (0..plan.users).map(|user| jwt(&plan.secret, &format!("bench-u{user}")).into()).collect();
    let ids: Vec<Arc<str>> = vaults.ids.iter().map(|id| id.as_str().into()).collect();
    let before = Usage::now(plan.pid);
    let mut threads = Vec::new();
    for thread in 0..plan.threads {
        let specs: Vec<Spec> = (thread..plan.connections)
            .step_by(plan.threads)
            .map(|index| Spec {
                vault: (index % plan.vaults) as u32,
                vault_id: ids[index % plan.vaults].clone(),
                token: tokens[(index / plan.vaults) % plan.users].clone(),
            })
            .collect();
        if specs.is_empty() {
            continue;
        }
        let settings = settings(plan);
        let shared = shared.clone();
        threads.push(spawn(move || subs::run(thread, &shared, &settings, &specs)));
    }
    if plan.connections > 0 {
        let most_joined_ns = wait_for_joins(plan, shared);
        report_joins(plan, shared, &before, most_joined_ns, report);
    }
    Connections(threads)
}

fn settings(plan: &Plan) -> Cfg {
    Cfg {
        ip: u32::from(*plan.address.ip()),
        port: plan.address.port(),
        host: plan.host.clone(),
        path: plan.text("path", "/socket.io/"),
        concurrency: plan.number::<usize>("concurrency", 64).div_ceil(plan.threads),
        src: plan.number("src", 1),
        join_event: plan.text("join-event", "vault:join"),
        join_style: plan.text("join-style", "string"),
        ramp_per_s: plan.number("ramp", 0.0) / plan.threads as f64,
    }
}

/// Returns when 99 % had joined.
fn wait_for_joins(plan: &Plan, shared: &Shared) -> Option<u64> {
    let mut progress = (0u32, now_ns());
    let mut most_joined_ns = None;
    loop {
        if most_joined_ns.is_none() && shared.joined.load(Relaxed) as usize * 100 >= plan.connections * 99 {
            most_joined_ns = Some(now_ns());
        }
        let ended = shared.joined.load(Relaxed) + shared.failed.load(Relaxed);
        if ended as usize >= plan.connections {
            return most_joined_ns;
        }
        if ended != progress.0 {
            progress = (ended, now_ns());
        } else if now_ns() - progress.1 > MAX_JOIN_GAP_NS {
            eprintln!("loadgen: no join for 20 s, continuing with {ended} of {}", plan.connections);
            return most_joined_ns;
        }
        sleep(Duration::from_millis(1));
    }
}

fn report_joins(plan: &Plan, shared: &Shared, before: &Usage, most_joined_ns: Option<u64>, report: &mut Report) {
    let after = Usage::now(plan.pid);
    let joined = shared.joined.load(Relaxed);
    report.count("connections", plan.connections as u64);
    report.count("joined", joined.into());
    report.count("join_failed", (plan.connections as u32 - joined).into());
    report.count("join_resends", shared.rejoins.load(Relaxed).into());
    report.rounded("connects_per_s", f64::from(joined) / after.seconds_since(before), 1);
    // A join that is sent again after 2 s does not distort this rate.
    let seconds = most_joined_ns
        .map_or(f64::NAN, |time| time.max(before.time_ns + 1).saturating_sub(before.time_ns) as f64 / 1e9);
    report.rounded("connects_per_s_to_99", plan.connections as f64 * 0.99 / seconds, 1);
    if plan.pid > 0 {
        let cpu = after.server_cpu_since(before) * 1e6 / f64::from(joined.max(1));
        report.rounded("server_cpu_us_per_connect", cpu, 1);
    }
}

impl Connections {
    /// Closes all connections and returns what they received in all.
    pub fn close(self, plan: &Plan, shared: &Shared, report: &mut Report) -> Stats {
        let mut totals = Stats { disconnects: shared.disconnects.load(Relaxed), ..Stats::default() };
        shared.stop.store(true, SeqCst);
        for thread in self.0 {
            totals.add(thread.join().unwrap());
        }
        if plan.connections > 0 && plan.scenario != Scenario::Fanout {
            report.distribution("join", &totals.join);
        }
        totals
    }
}

/// Adds what went wrong on connections.
pub fn report_disconnects(plan: &Plan, totals: &Stats, shared: &Shared, report: &mut Report) {
    if plan.connections > 0 {
        report.count("disconnects", totals.disconnects.into());
        report.count("pings_answered", shared.pings.load(Relaxed));
        report.count("unknown_messages", totals.unknown + totals.bad_frames);
    }
    if let Some(error) = &totals.first_error {
        report.text("first_error", error);
    }
}
