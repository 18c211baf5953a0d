//! `idle`: memory and CPU of connections that only answer pings.

use std::{sync::atomic::Ordering::*, thread::sleep, time::Duration};

use crate::{plan::Plan, report::Report, subs::Shared, usage::Usage};

/// The longest time for which connections are held, in seconds.
const MAX_HOLD: f64 = 900.0;

/// Holds the connections. `before` is the usage before the first of them was opened.
pub fn run(plan: &Plan, shared: &Shared, before: &Usage, report: &mut Report) {
    sleep(Duration::from_secs(3));
    let first_pings = shared.pings.load(Relaxed);
    let start = Usage::now(plan.pid);
    sleep(Duration::from_secs_f64(plan.number("hold", 60.0f64).min(MAX_HOLD)));
    let end = Usage::now(plan.pid);
    report.usage(plan, &start, &end);
    let pings = shared.pings.load(Relaxed) - first_pings;
    let connections = f64::from(shared.joined.load(Relaxed).max(1));
    let mib = |usage: &Usage| usage.server_rss_kib as f64 / 1024.0;
    let per_connection = |usage: &Usage| (usage.server_rss_kib as f64 - before.server_rss_kib as f64) / connections;
    report.rounded("rss_before_mib", mib(before), 1);
    report.rounded("rss_joined_mib", mib(&start), 1);
    report.rounded("rss_end_mib", mib(&end), 1);
    report.rounded("rss_kib_per_conn", per_connection(&start), 2);
    report.rounded("rss_kib_per_conn_end", per_connection(&end), 2);
    report.count("pings", pings);
    let cpu = end.server_cpu_since(&start);
    report.rounded("idle_cpu_percent", cpu / end.seconds_since(&start) * 100.0, 2);
    report.rounded("server_cpu_us_per_ping", cpu * 1e6 / pings.max(1) as f64, 2);
}
