//! `fanout` and `mutate`: writers send mutations, first to warm up and then measured.

use std::{sync::atomic::Ordering::*, thread::sleep, time::Duration};

use crate::{
    plan::{Plan, Scenario},
    report::Report,
    subs::{Shared, Stats},
    usage::Usage,
    util::{jwt, now_ns, proc_rss_kib},
    vaults::Vaults,
    writers::{self, WCfg, WStats},
};

/// Deliveries are awaited for this long without one, and for this long in all.
const MAX_DELIVERY_GAP_NS: u64 = 3_000_000_000;
const DRAIN_TIMEOUT_NS: u64 = 60_000_000_000;

/// The outcome of the measured mutations.
pub struct Mutations {
    stats: WStats,
    server_cpu_s: f64,
    /// All mutations that were acknowledged, also in the warm-up.
    acknowledged: u64,
    /// All deliveries arrived in time.
    drained: bool,
}

/// Runs the writers, and returns when the deliveries have arrived.
pub fn run(plan: &Plan, vaults: &Vaults, shared: &Shared, report: &mut Report) -> Mutations {
    sleep(Duration::from_millis(500));
    let subscribers = plan.subscribers_per_vault as u64;
    let mut acknowledged = 0;
    let mut warmup_deliveries = 0;
    let mut drained = true;
    let warmup: f64 = plan.number("warmup", 2.0);
    if warmup > 0.0 {
        let stats = writers::run(shared, &settings(plan, vaults, warmup, u64::MAX));
        acknowledged += stats.acked_per_vault.iter().map(|count| u64::from(*count)).sum::<u64>();
        warmup_deliveries = stats.ok * subscribers;
        drained &= drain(shared, warmup_deliveries);
        if stats.errors > 0 {
            eprintln!("loadgen: {} errors in the warm-up: {:?}", stats.errors, stats.first_error);
        }
    }
    shared.measure_from.store(shared.next_seq.load(Relaxed), SeqCst);
    let start = Usage::now(plan.pid);
    let stats = writers::run(shared, &settings(plan, vaults, plan.number("secs", 10.0), plan.number("max", 1_000_000)));
    acknowledged += stats.acked_per_vault.iter().map(|count| u64::from(*count)).sum::<u64>();
    drained &= drain(shared, warmup_deliveries + stats.ok * subscribers);
    let end = Usage::now(plan.pid);
    if plan.connections > 0 {
        // For events that arrive twice.
        sleep(Duration::from_millis(300));
    }
    report.usage(plan, &start, &end);
    let mutations = Mutations { stats, server_cpu_s: end.server_cpu_since(&start), acknowledged, drained };
    mutations.report_mutations(plan, report);
    mutations
}

fn settings(plan: &Plan, vaults: &Vaults, secs: f64, max: u64) -> WCfg {
    WCfg {
        ip: u32::from(*plan.address.ip()),
        port: plan.address.port(),
        host: plan.host.clone(),
        writers: plan.writers,
        tokens: (0..plan.writing_users.max(1)).map(|user| jwt(&plan.secret, &format!("bench-w{user}"))).collect(),
        vaults: vaults.ids.clone(),
        secs,
        max,
        rate: plan.number("rate", 0.0),
        backlog: plan.number("backlog", 32),
        subs_per_vault: plan.subscribers_per_vault as u64,
        mix: plan.has("mix") && plan.scenario == Scenario::Mutate,
        payload: plan.number("payload", 0),
    }
}

/// Waits until this many events were delivered. Returns whether they were.
fn drain(shared: &Shared, deliveries: u64) -> bool {
    let start = now_ns();
    let mut progress = (shared.delivered_total(), start);
    loop {
        let delivered = shared.delivered_total();
        if delivered >= deliveries {
            return true;
        }
        if delivered != progress.0 {
            progress = (delivered, now_ns());
        }
        if now_ns() - progress.1 > MAX_DELIVERY_GAP_NS || now_ns() - start > DRAIN_TIMEOUT_NS {
            return false;
        }
        sleep(Duration::from_micros(300));
    }
}

impl Mutations {
    fn report_mutations(&self, plan: &Plan, report: &mut Report) {
        let stats = &self.stats;
        let wall = (stats.last_ns.max(stats.first_ns + 1) - stats.first_ns) as f64 / 1e9;
        report.count("writers", plan.writers as u64);
        report.count("mutations", stats.ok);
        report.count("mutation_errors", stats.errors);
        report.rounded("mutations_per_s", stats.ok as f64 / wall, 1);
        report.distribution("post", &stats.lat);
        if plan.pid > 0 {
            report.rounded("server_cpu_us_per_mutation", self.server_cpu_s * 1e6 / stats.ok.max(1) as f64, 2);
        }
        if let Some(error) = &stats.first_error {
            report.text("first_mutation_error", error);
        }
    }

    /// Adds what subscribers received.
    pub fn report_deliveries(&self, plan: &Plan, totals: &Stats, report: &mut Report) {
        let delivered = totals.delivered.max(1) as f64;
        let wall = (totals.last_ns.max(self.stats.first_ns + 1) - self.stats.first_ns) as f64 / 1e9;
        report.count("subs_per_vault", plan.subscribers_per_vault as u64);
        report.count("deliveries", totals.delivered);
        report.rounded("deliveries_per_s", totals.delivered as f64 / wall, 0);
        report.distribution("lat", &totals.lat);
        if plan.pid > 0 {
            report.rounded("server_cpu_us_per_delivery", self.server_cpu_s * 1e6 / delivered, 3);
            report.rounded("server_rss_mib", proc_rss_kib(plan.pid) as f64 / 1024.0, 1);
        }
        report.rounded("client_cpu_us_per_delivery", report.get("client_cpu_s") * 1e6 / delivered, 3);
        report.rounded("frames_per_read", totals.delivered as f64 / totals.reads.max(1) as f64, 2);
        report.rounded("bytes_per_delivery", totals.bytes as f64 / delivered, 1);
        let expected = self.acknowledged * plan.subscribers_per_vault as u64;
        report.count("lost", expected.saturating_sub(totals.got_total));
        report.count("duplicated", totals.dup);
        report.count("reordered", totals.reordered);
        report.count("misrouted", totals.misrouted);
        report.count("gaps_open", totals.gaps_open);
        report.flag("drained", self.drained);
        report.rounded("writers_waiting_share", self.stats.blocked_ns as f64 / 1e9 / wall, 2);
    }
}
