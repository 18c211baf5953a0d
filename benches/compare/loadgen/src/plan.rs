//! What is measured, as the command line says.

use std::net::SocketAddrV4;

use crate::{die, util::Args};

const USAGE: &str = "loadgen fanout|connect|idle|mutate --url http://127.0.0.1:PORT --secret S [--pid SERVER_PID]
 all:     --json  --json-file F  --path /socket.io/  --threads 1 (subscriber threads)  --src 1 (source addresses)
          --users 200 (distinct member users per vault, at most)  --concurrency 64 (connections being opened at once)
          --ramp 0 (connections/s, 0 = most)  --join-event vault:join  --join-style string|object  --label TEXT
 fanout:  --vaults 1 --subs 1000 (per vault) --writers 8 --secs 10 --warmup 2 --rate 0 (mutations/s, 0 = most)
          --backlog 32 (mutations under way before writers wait, 0 = no limit) --max 1000000 --payload 0 (extra title bytes)
 connect: --conns 5000 --vaults 50
 idle:    --conns 10000 --vaults 50 --hold 60
 mutate:  --vaults 1 --writers 8 --secs 10 --warmup 2 --rate 0 --mix (create, update, delete in turn)
The limit of open files bounds the number of connections; every run stops by itself.";

const OPTIONS: &[&str] = &[
    "url",
    "secret",
    "pid",
    "json-file",
    "path",
    "threads",
    "src",
    "users",
    "concurrency",
    "ramp",
    "join-event",
    "join-style",
    "label",
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
];

/// The most vaults of a run.
const MAX_VAULTS: usize = 5000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Fanout,
    Connect,
    Idle,
    Mutate,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fanout => "fanout",
            Self::Connect => "connect",
            Self::Idle => "idle",
            Self::Mutate => "mutate",
        }
    }
}

pub struct Plan {
    pub scenario: Scenario,
    /// Address and port of the server, as in its URL.
    pub host: String,
    pub address: SocketAddrV4,
    pub secret: String,
    /// The process of the server; 0 if its CPU and memory are not measured.
    pub pid: u32,
    pub label: String,
    pub vaults: usize,
    /// Only in `fanout`.
    pub subscribers_per_vault: usize,
    /// All subscribers.
    pub connections: usize,
    /// The distinct users of the subscribers of a vault.
    pub users: usize,
    pub writers: usize,
    /// The distinct users of the writers.
    pub writing_users: usize,
    pub threads: usize,
    args: Args,
}

impl Plan {
    /// Reads the command line. Ends the process if it is not valid, or if there are too few descriptors.
    pub fn from_arguments() -> Self {
        let args = Args::parse(OPTIONS, &["json", "mix"], USAGE);
        let url = args.s("url", "http://127.0.0.1:3000");
        let host = url.trim_start_matches("http://").trim_end_matches('/').replace("localhost", "127.0.0.1");
        let Ok(address) = host.parse::<SocketAddrV4>() else {
            die(format!("--url must be http://127.0.0.1:PORT, not {url}"))
        };
        if !address.ip().is_loopback() {
            die("only loopback addresses are allowed".into());
        }
        let (scenario, default_vaults, default_writers) = match args.scenario.as_str() {
            "fanout" => (Scenario::Fanout, 1, 8),
            "mutate" => (Scenario::Mutate, 1, 8),
            "connect" => (Scenario::Connect, 50, 0),
            "idle" => (Scenario::Idle, 50, 0),
            _ => die(USAGE.into()),
        };
        let vaults = args.n("vaults", default_vaults);
        if vaults == 0 || vaults > MAX_VAULTS {
            die(format!("--vaults must be 1 to {MAX_VAULTS}"));
        }
        let (subscribers_per_vault, connections) = match scenario {
            Scenario::Fanout => {
                let subscribers = args.n("subs", 1000);
                (subscribers, vaults * subscribers)
            }
            Scenario::Connect => (0, args.n("conns", 5000)),
            Scenario::Idle => (0, args.n("conns", 10000)),
            Scenario::Mutate => (0, 0),
        };
        let writers: usize = args.n("writers", default_writers);
        let descriptors = raise_descriptor_limit();
        if connections + writers + 50 > descriptors {
            die(format!("{connections} connections need more than the {descriptors} open files allowed"));
        }
        let secret = std::env::var("NEXTAUTH_SECRET");
        let secret = secret.unwrap_or_else(|_| "bench-secret-bench-secret-bench-secret".into());
        Self {
            scenario,
            address,
            secret: args.s("secret", &secret),
            pid: args.n("pid", 0),
            label: args.s("label", ""),
            vaults,
            subscribers_per_vault,
            connections,
            users: args.n::<usize>("users", 200).min(connections.div_ceil(vaults)).max(1),
            writers,
            writing_users: writers.min(8),
            threads: args.n::<usize>("threads", 1).max(1),
            host,
            args,
        }
    }

    /// Returns a text option, or its default.
    pub fn text(&self, option: &str, default: &str) -> String {
        self.args.s(option, default)
    }

    /// Returns a number option, or its default.
    pub fn number<T: std::str::FromStr>(&self, option: &str, default: T) -> T {
        self.args.n(option, default)
    }

    /// Returns whether an option without a value is given.
    pub fn has(&self, option: &str) -> bool {
        self.args.has(option)
    }
}

/// Raises the limit of open files to its maximum, and returns it.
fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    limit.rlim_cur as usize
}
