//! Load generator for a Socket.IO "vaults" server. See `../README.md`.
mod net;
mod subs;
mod util;
mod writers;
use serde_json::{json, Map, Value};
use std::sync::atomic::Ordering::*;
use std::sync::Arc;
use std::time::Duration;
use subs::*;
use util::*;

const USAGE: &str = "loadgen fanout|connect|idle|mutate --url http://127.0.0.1:PORT --secret S [--pid SERVER_PID]
 all:     --json  --json-file F  --path /socket.io/  --threads 1 (subscriber threads)  --src 1 (source addresses)
          --users 200 (distinct member users per vault, at most)  --concurrency 64 (connections being opened at once)
          --join-event vault:join  --join-style string|object  --label TEXT
 fanout:  --vaults 1 --subs 1000 (per vault) --writers 8 --secs 10 --warmup 2 --rate 0 (mutations/s, 0 = most)
          --backlog 32 (mutations under way before writers wait, 0 = no limit) --max 1000000 --payload 0 (extra title bytes)
 connect: --conns 5000 --vaults 50
 idle:    --conns 10000 --vaults 50 --hold 60
 mutate:  --vaults 1 --writers 8 --secs 10 --warmup 2 --rate 0 --mix (create, update, delete in turn)
Every number of connections is bounded by the open-file limit; every run stops by itself.";

pub fn id_of(v: &Value) -> Option<String> {
    for x in [v, &v["data"], &v["vault"], &v["source"]] {
        match &x["id"] {
            Value::String(s) => return Some(s.clone()),
            Value::Number(n) => return Some(n.to_string()),
            _ => {}
        }
    }
    None
}
fn die(s: String) -> ! {
    eprintln!("loadgen: {s}");
    std::process::exit(1)
}
fn r(x: f64, d: i32) -> Value {
    if !x.is_finite() {
        return Value::Null;
    }
    let k = 10f64.powi(d);
    json!((x * k).round() / k)
}
fn dist(o: &mut Map<String, Value>, name: &str, h: &Hist) {
    if h.n == 0 {
        return;
    }
    for (k, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        o.insert(format!("{name}_ms_{k}"), r(h.q(q), 3));
    }
    o.insert(format!("{name}_ms_max"), r(h.max_ms(), 3));
    o.insert(format!("{name}_ms_mean"), r(h.mean_ms(), 3));
}

struct Snap {
    t: u64,
    srv: Cpu,
    me: Cpu,
    busy: f64,
}
fn snap(pid: u32) -> Snap {
    Snap {
        t: now_ns(),
        srv: if pid > 0 {
            proc_cpu(pid)
        } else {
            Cpu::default()
        },
        me: self_cpu(),
        busy: machine_busy(),
    }
}
/// Adds CPU figures for the span a..b.
fn cpu(o: &mut Map<String, Value>, pid: u32, a: &Snap, b: &Snap) -> Cpu {
    let (s, m) = (b.srv.sub(&a.srv), b.me.sub(&a.me));
    let wall = (b.t - a.t) as f64 / 1e9;
    o.insert("cpu_wall_s".into(), r(wall, 3));
    if pid > 0 {
        o.insert("server_cpu_s".into(), r(s.total(), 3));
        o.insert("server_cpu_user_s".into(), r(s.user, 3));
        o.insert("server_cpu_sys_s".into(), r(s.sys, 3));
        o.insert("server_cores".into(), r(s.total() / wall, 3));
    }
    o.insert("client_cpu_s".into(), r(m.total(), 3));
    o.insert("client_cores".into(), r(m.total() / wall, 3));
    o.insert(
        "other_cores".into(),
        r(
            ((b.busy - a.busy) - m.total() - s.total()).max(0.0) / wall,
            3,
        ),
    );
    s
}

fn main() {
    let a = Args::parse(
        &[
            "url",
            "secret",
            "pid",
            "json-file",
            "path",
            "threads",
            "src",
            "users",
            "concurrency",
            "join-event",
            "join-style",
            "vaults",
            "subs",
            "writers",
            "secs",
            "warmup",
            "rate",
            "backlog",
            "max",
            "payload",
            "conns",
            "hold",
            "label",
            "ramp",
        ],
        &["json", "mix"],
        USAGE,
    );
    let url = a.s("url", "http://127.0.0.1:3000");
    let host = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .replace("localhost", "127.0.0.1");
    let Ok(sa) = host.parse::<std::net::SocketAddrV4>() else {
        die(format!("--url must be http://127.0.0.1:PORT, not {url}"))
    };
    if !sa.ip().is_loopback() {
        die("only loopback addresses are allowed".into());
    }
    let ip = u32::from(*sa.ip());
    let port = sa.port();
    let secret = a.s(
        "secret",
        &std::env::var("NEXTAUTH_SECRET")
            .unwrap_or_else(|_| "bench-secret-bench-secret-bench-secret".into()),
    );
    let pid: u32 = a.n("pid", 0);
    let sc = a.scenario.clone();
    let (nv, def_w): (usize, usize) = match sc.as_str() {
        "fanout" | "mutate" => (a.n("vaults", 1), 8),
        "connect" | "idle" => (a.n("vaults", 50), 0),
        _ => die(USAGE.into()),
    };
    let subs_pv: usize = if sc == "fanout" { a.n("subs", 1000) } else { 0 };
    let total: usize = match sc.as_str() {
        "fanout" => nv * subs_pv,
        "connect" => a.n("conns", 5000),
        "idle" => a.n("conns", 10000),
        _ => 0,
    };
    let writers_n: usize = a.n("writers", def_w);
    let threads: usize = a.n::<usize>("threads", 1).max(1);
    let mut lim = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut lim);
        lim.rlim_cur = lim.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &lim);
    }
    if total + writers_n + 50 > lim.rlim_cur as usize {
        die(format!(
            "{total} connections need more than the {} open files allowed",
            lim.rlim_cur
        ));
    }
    if nv == 0 || nv > 5000 || (total > 0 && total < 1) {
        die("bad --vaults".into());
    }

    // Set-up: vaults and members.
    let mut http = net::Http::new(&host);
    let owner = jwt(&secret, "bench-owner");
    let per_vault = if total > 0 { total.div_ceil(nv) } else { 0 };
    let users = a.n::<usize>("users", 200).min(per_vault).max(1);
    let wusers = writers_n.min(8);
    let t_setup = now_ns();
    let mut vaults: Vec<String> = Vec::new();
    let mut calls = 0u64;
    for v in 0..nv {
        let (st, b) = http
            .call(
                "POST",
                "/api/vaults",
                &owner,
                &format!("{{\"name\":\"bench {v}\"}}"),
            )
            .unwrap_or_else(|e| die(format!("POST /api/vaults: {e}")));
        if st != 201 && st != 200 {
            die(format!(
                "POST /api/vaults: {st} {}",
                String::from_utf8_lossy(&b)
            ));
        }
        let Some(id) = serde_json::from_slice::<Value>(&b)
            .ok()
            .and_then(|v| id_of(&v))
        else {
            die(format!(
                "POST /api/vaults: no id in {}",
                String::from_utf8_lossy(&b)
            ))
        };
        let mut member = |u: &str, role: &str| {
            let (st, b) = http
                .call(
                    "POST",
                    &format!("/api/vaults/{id}/members"),
                    &owner,
                    &format!("{{\"userId\":\"{u}\",\"role\":\"{role}\"}}"),
                )
                .unwrap_or_else(|e| die(format!("POST members: {e}")));
            if st != 201 && st != 200 {
                die(format!(
                    "POST members: {st} {}",
                    String::from_utf8_lossy(&b)
                ));
            }
            calls += 1;
        };
        if total > 0 {
            for u in 0..users {
                member(&format!("bench-u{u}"), "viewer");
            }
        }
        for w in 0..wusers {
            member(&format!("bench-w{w}"), "contributor");
        }
        calls += 1;
        vaults.push(id);
    }
    let setup_s = (now_ns() - t_setup) as f64 / 1e9;

    let sh = Arc::new(Shared::new(nv, threads));
    let toks: Vec<Arc<str>> = (0..users)
        .map(|u| jwt(&secret, &format!("bench-u{u}")).into())
        .collect();
    let vids: Vec<Arc<str>> = vaults.iter().map(|v| v.as_str().into()).collect();
    let conc: usize = a.n("concurrency", 64);
    let ramp: f64 = a.n("ramp", 0.0);

    let mut o = Map::new();
    o.insert("scenario".into(), json!(sc));
    o.insert("label".into(), json!(a.s("label", "")));
    o.insert("vaults".into(), json!(nv));

    let rss0 = if pid > 0 { proc_rss_kib(pid) } else { 0 };
    let cpu0 = snap(pid);
    let mut handles = Vec::new();
    for t in 0..threads {
        let specs: Vec<Spec> = (0..total)
            .filter(|k| k % threads == t)
            .map(|k| Spec {
                vault: (k % nv) as u32,
                vault_id: vids[k % nv].clone(),
                token: toks[(k / nv) % users].clone(),
            })
            .collect();
        if specs.is_empty() {
            continue;
        }
        let cfg = Cfg {
            ip,
            port,
            host: host.clone(),
            path: a.s("path", "/socket.io/"),
            concurrency: conc.div_ceil(threads),
            src: a.n("src", 1),
            join_event: a.s("join-event", "vault:join"),
            join_style: a.s("join-style", "string"),
            ramp_per_s: ramp / threads as f64,
        };
        let sh = sh.clone();
        handles.push(std::thread::spawn(move || subs::run(t, &sh, &cfg, &specs)));
    }
    // Wait until each subscriber has joined or failed.
    let mut last = (0u32, now_ns());
    let mut t99 = 0u64;
    while total > 0 {
        if t99 == 0 && sh.joined.load(Relaxed) as usize * 100 >= total * 99 {
            t99 = now_ns();
        }
        let n = sh.joined.load(Relaxed) + sh.failed.load(Relaxed);
        if n as usize >= total {
            break;
        }
        if n != last.0 {
            last = (n, now_ns());
        } else if now_ns() - last.1 > 20_000_000_000 {
            eprintln!("loadgen: no join for 20 s, going on with {n} of {total}");
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let cpu1 = snap(pid);
    let joined = sh.joined.load(Relaxed);
    if total > 0 {
        let wall = (cpu1.t - cpu0.t) as f64 / 1e9;
        o.insert("connections".into(), json!(total));
        o.insert("joined".into(), json!(joined));
        o.insert("join_failed".into(), json!(total as u32 - joined));
        o.insert("join_resends".into(), json!(sh.rejoins.load(Relaxed)));
        o.insert("connects_per_s".into(), r(joined as f64 / wall, 1));
        // Until 99 % were joined: a join that is sent again after 2 s does not distort it.
        let w99 = (t99.max(cpu0.t + 1) - cpu0.t) as f64 / 1e9;
        o.insert(
            "connects_per_s_to_99".into(),
            if t99 > 0 {
                r(total as f64 * 0.99 / w99, 1)
            } else {
                Value::Null
            },
        );
        if pid > 0 {
            o.insert(
                "server_cpu_us_per_connect".into(),
                r(
                    (cpu1.srv.total() - cpu0.srv.total()) * 1e6 / joined.max(1) as f64,
                    1,
                ),
            );
        }
    }
    let mut ws: Option<writers::WStats> = None;
    let mut warm_acked = 0u64;
    let mut drained = true;
    let mut lost_expected: Vec<u64> = vec![0; nv];

    match sc.as_str() {
        "fanout" | "mutate" => {
            std::thread::sleep(Duration::from_millis(500));
            let mk = |secs: f64, max: u64| writers::WCfg {
                ip,
                port,
                host: host.clone(),
                writers: writers_n,
                tokens: (0..wusers.max(1))
                    .map(|w| jwt(&secret, &format!("bench-w{w}")))
                    .collect(),
                vaults: vaults.clone(),
                secs,
                max,
                rate: a.n("rate", 0.0),
                backlog: a.n("backlog", 32),
                subs_per_vault: subs_pv as u64,
                mix: a.has("mix") && sc == "mutate",
                payload: a.n("payload", 0),
            };
            let drain = |sh: &Shared, want: u64| -> bool {
                let mut last = (sh.delivered_total(), now_ns());
                let t0 = now_ns();
                loop {
                    let d = sh.delivered_total();
                    if d >= want {
                        return true;
                    }
                    if d != last.0 {
                        last = (d, now_ns());
                    }
                    if now_ns() - last.1 > 3_000_000_000 || now_ns() - t0 > 60_000_000_000 {
                        return false;
                    }
                    std::thread::sleep(Duration::from_micros(300));
                }
            };
            let warm: f64 = a.n("warmup", 2.0);
            if warm > 0.0 {
                let st = writers::run(&sh, &mk(warm, u64::MAX));
                warm_acked = st.ok;
                for (e, n) in lost_expected.iter_mut().zip(&st.acked_per_vault) {
                    *e += *n as u64;
                }
                drained &= drain(&sh, warm_acked * subs_pv as u64);
                if st.errors > 0 {
                    eprintln!(
                        "loadgen: {} errors in the warm-up: {:?}",
                        st.errors, st.first_error
                    );
                }
            }
            sh.measure_from.store(sh.next_seq.load(Relaxed), SeqCst);
            let s0 = snap(pid);
            let st = writers::run(&sh, &mk(a.n("secs", 10.0), a.n("max", 1_000_000)));
            for (e, n) in lost_expected.iter_mut().zip(&st.acked_per_vault) {
                *e += *n as u64;
            }
            drained &= drain(&sh, (warm_acked + st.ok) * subs_pv as u64);
            let s1 = snap(pid);
            if total > 0 {
                std::thread::sleep(Duration::from_millis(300)); // late duplicates
            }
            let s = cpu(&mut o, pid, &s0, &s1);
            let wall = (st.last_ns.max(st.first_ns + 1) - st.first_ns) as f64 / 1e9;
            o.insert("writers".into(), json!(writers_n));
            o.insert("mutations".into(), json!(st.ok));
            o.insert("mutation_errors".into(), json!(st.errors));
            o.insert("mutations_per_s".into(), r(st.ok as f64 / wall, 1));
            dist(&mut o, "post", &st.lat);
            if pid > 0 {
                o.insert(
                    "server_cpu_us_per_mutation".into(),
                    r(s.total() * 1e6 / st.ok.max(1) as f64, 2),
                );
            }
            if let Some(e) = &st.first_error {
                o.insert("first_mutation_error".into(), json!(e));
            }
            ws = Some(st);
            let _ = s1;
            o.insert("__server_cpu".into(), json!(s.total()));
        }
        "idle" => {
            std::thread::sleep(Duration::from_secs(3));
            let rss1 = if pid > 0 { proc_rss_kib(pid) } else { 0 };
            let p0 = sh.pings.load(Relaxed);
            let s0 = snap(pid);
            let hold: f64 = a.n("hold", 60.0);
            std::thread::sleep(Duration::from_secs_f64(hold.min(900.0)));
            let s1 = snap(pid);
            let s = cpu(&mut o, pid, &s0, &s1);
            let rss2 = if pid > 0 { proc_rss_kib(pid) } else { 0 };
            let n = joined.max(1) as f64;
            let pings = sh.pings.load(Relaxed) - p0;
            o.insert("rss_before_mib".into(), r(rss0 as f64 / 1024.0, 1));
            o.insert("rss_joined_mib".into(), r(rss1 as f64 / 1024.0, 1));
            o.insert("rss_end_mib".into(), r(rss2 as f64 / 1024.0, 1));
            o.insert(
                "rss_kib_per_conn".into(),
                r((rss1 as f64 - rss0 as f64) / n, 2),
            );
            o.insert(
                "rss_kib_per_conn_end".into(),
                r((rss2 as f64 - rss0 as f64) / n, 2),
            );
            o.insert("pings".into(), json!(pings));
            o.insert(
                "idle_cpu_percent".into(),
                r(s.total() * 1e9 / (s1.t - s0.t) as f64 * 100.0, 2),
            );
            o.insert(
                "server_cpu_us_per_ping".into(),
                r(s.total() * 1e6 / pings.max(1) as f64, 2),
            );
        }
        _ => {
            cpu(&mut o, pid, &cpu0, &cpu1);
        }
    }
    let disc = sh.disconnects.load(Relaxed);
    sh.stop.store(true, SeqCst);
    let mut t = Stats::default();
    let mut got_total = 0u64;
    let mut err: Option<String> = None;
    for h in handles {
        let s = h.join().unwrap();
        t.lat.merge(&s.lat);
        t.join.merge(&s.join);
        t.reads += s.reads;
        t.bytes += s.bytes;
        t.delivered += s.delivered;
        t.last_ns = t.last_ns.max(s.last_ns);
        t.dup += s.dup;
        t.reordered += s.reordered;
        t.gaps_open += s.gaps_open;
        t.misrouted += s.misrouted;
        t.unknown += s.unknown;
        t.bad_frames += s.bad_frames;
        got_total += s.got_total;
        err = err.or(s.first_error);
        t.sample = t.sample.or(s.sample);
    }
    if total > 0 && sc != "fanout" {
        dist(&mut o, "join", &t.join);
    }
    let scpu = o
        .remove("__server_cpu")
        .and_then(|v| v.as_f64())
        .unwrap_or(0.0);
    if sc == "fanout" {
        let st = ws.as_ref().unwrap();
        let wall = (t.last_ns.max(st.first_ns + 1) - st.first_ns) as f64 / 1e9;
        let expected: u64 = lost_expected.iter().sum::<u64>() * subs_pv as u64;
        o.insert("subs_per_vault".into(), json!(subs_pv));
        o.insert("deliveries".into(), json!(t.delivered));
        o.insert("deliveries_per_s".into(), r(t.delivered as f64 / wall, 0));
        dist(&mut o, "lat", &t.lat);
        if pid > 0 {
            o.insert(
                "server_cpu_us_per_delivery".into(),
                r(scpu * 1e6 / t.delivered.max(1) as f64, 3),
            );
            o.insert(
                "server_cpu_s_per_1M_deliveries".into(),
                r(scpu * 1e6 / t.delivered.max(1) as f64, 3),
            );
            o.insert(
                "server_rss_mib".into(),
                r(proc_rss_kib(pid) as f64 / 1024.0, 1),
            );
        }
        let cc = o
            .get("client_cpu_s")
            .and_then(|v| v.as_f64())
            .unwrap_or(0.0);
        o.insert(
            "client_cpu_us_per_delivery".into(),
            r(cc * 1e6 / t.delivered.max(1) as f64, 3),
        );
        o.insert(
            "frames_per_read".into(),
            r(t.delivered as f64 / t.reads.max(1) as f64, 2),
        );
        o.insert(
            "bytes_per_delivery".into(),
            r(t.bytes as f64 / t.delivered.max(1) as f64, 1),
        );
        o.insert("lost".into(), json!(expected.saturating_sub(got_total)));
        o.insert("duplicated".into(), json!(t.dup));
        o.insert("reordered".into(), json!(t.reordered));
        o.insert("misrouted".into(), json!(t.misrouted));
        o.insert("gaps_open".into(), json!(t.gaps_open));
        o.insert("drained".into(), json!(drained));
        o.insert(
            "writers_waiting_share".into(),
            r(st.blocked_ns as f64 / 1e9 / wall, 2),
        );
    }
    if total > 0 {
        o.insert("disconnects".into(), json!(disc));
        o.insert("pings_answered".into(), json!(sh.pings.load(Relaxed)));
        o.insert("unknown_messages".into(), json!(t.unknown + t.bad_frames));
    }
    if let Some(e) = err {
        o.insert("first_error".into(), json!(e));
    }
    o.insert("setup_calls_per_s".into(), r(calls as f64 / setup_s, 0));
    if a.has("json") {
        println!("{}", Value::Object(o.clone()));
    } else {
        for (k, v) in &o {
            println!(
                "{k:<32} {}",
                match v {
                    Value::String(s) => s.clone(),
                    v => v.to_string(),
                }
            );
        }
        if let Some(s) = &t.sample {
            println!("{:<32} {}", "sample", s);
        }
    }
    let f = a.s("json-file", "");
    if !f.is_empty() {
        std::fs::write(&f, format!("{}\n", Value::Object(o)))
            .unwrap_or_else(|e| die(format!("{f}: {e}")));
    }
    std::process::exit(0);
}
