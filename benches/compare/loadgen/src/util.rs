//! Clock, histogram, /proc readers, JWT minting, argument parsing.
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, Mac};
use std::collections::HashMap;

#[inline]
pub fn now_ns() -> u64 {
    let mut ts = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut ts) };
    ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
}

/// Log-linear histogram of nanoseconds, 64 sub-buckets per octave (<= 1.6 % error).
#[derive(Clone)]
pub struct Hist {
    b: Vec<u64>,
    pub n: u64,
    pub max: u64,
    pub sum: u128,
}
impl Default for Hist {
    fn default() -> Self {
        Hist { b: vec![0; 64 * 44], n: 0, max: 0, sum: 0 }
    }
}
impl Hist {
    #[inline]
    fn idx(v: u64) -> usize {
        if v < 64 {
            return v as usize;
        }
        let e = 63 - v.leading_zeros() as usize;
        let sub = ((v >> (e - 6)) & 63) as usize;
        ((e - 5) * 64 + sub).min(64 * 44 - 1)
    }
    #[inline]
    pub fn add(&mut self, v: u64) {
        self.b[Self::idx(v)] += 1;
        self.n += 1;
        self.sum += v as u128;
        if v > self.max {
            self.max = v;
        }
    }
    pub fn merge(&mut self, o: &Hist) {
        for (a, b) in self.b.iter_mut().zip(&o.b) {
            *a += b;
        }
        self.n += o.n;
        self.sum += o.sum;
        self.max = self.max.max(o.max);
    }
    pub fn q(&self, q: f64) -> f64 {
        if self.n == 0 {
            return f64::NAN;
        }
        let want = ((self.n as f64 * q).ceil() as u64).max(1);
        let mut c = 0;
        for (i, x) in self.b.iter().enumerate() {
            c += x;
            if c >= want {
                let v = if i < 64 {
                    i as u64
                } else {
                    let e = i / 64 + 5;
                    (1u64 << e) + (((i % 64) as u64) << (e - 6)) + (1u64 << (e - 6)) / 2
                };
                return v.min(self.max) as f64 / 1e6;
            }
        }
        self.max as f64 / 1e6
    }
    pub fn max_ms(&self) -> f64 {
        self.max as f64 / 1e6
    }
    pub fn mean_ms(&self) -> f64 {
        self.sum as f64 / self.n.max(1) as f64 / 1e6
    }
}

pub fn jwt(secret: &str, user: &str) -> String {
    let h = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let p = serde_json::json!({
        "sub": user, "id": user, "name": format!("Bench {user}"),
        "email": format!("{user}@bench.invalid"), "role": "user",
        "iat": now, "exp": now + 6 * 3600
    });
    let p = URL_SAFE_NO_PAD.encode(p.to_string());
    let msg = format!("{h}.{p}");
    let mut m = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    m.update(msg.as_bytes());
    let s = URL_SAFE_NO_PAD.encode(m.finalize().into_bytes());
    format!("{msg}.{s}")
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Cpu {
    pub user: f64,
    pub sys: f64,
}
impl Cpu {
    pub fn total(&self) -> f64 {
        self.user + self.sys
    }
    pub fn sub(&self, o: &Cpu) -> Cpu {
        Cpu { user: self.user - o.user, sys: self.sys - o.sys }
    }
}

fn ticks() -> f64 {
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

/// utime+stime of a process (all threads, also ended ones) in seconds.
pub fn proc_cpu(pid: u32) -> Cpu {
    let Ok(s) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return Cpu::default();
    };
    let rest = &s[s.rfind(')').unwrap_or(0) + 2..];
    let f: Vec<&str> = rest.split_whitespace().collect();
    let t = ticks();
    Cpu { user: f[11].parse::<f64>().unwrap_or(0.0) / t, sys: f[12].parse::<f64>().unwrap_or(0.0) / t }
}
pub fn self_cpu() -> Cpu {
    proc_cpu(std::process::id())
}
/// Busy seconds of the whole machine (all cores).
pub fn machine_busy() -> f64 {
    let s = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let l = s.lines().next().unwrap_or("");
    let v: Vec<f64> = l.split_whitespace().skip(1).map(|x| x.parse().unwrap_or(0.0)).collect();
    if v.len() < 8 {
        return 0.0;
    }
    (v[0] + v[1] + v[2] + v[5] + v[6]) / ticks()
}
/// (VmRSS, VmHWM, Threads, voluntary+involuntary switches of the main thread) of a process; KiB.
pub fn proc_rss_kib(pid: u32) -> u64 {
    field(pid, "VmRSS:")
}
pub fn field(pid: u32, key: &str) -> u64 {
    let s = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    s.lines()
        .find(|l| l.starts_with(key))
        .and_then(|l| l.split_whitespace().nth(1))
        .and_then(|x| x.parse().ok())
        .unwrap_or(0)
}

pub struct Args {
    pub scenario: String,
    m: HashMap<String, String>,
}
impl Args {
    pub fn parse(known: &[&str], flags: &[&str], usage: &str) -> Args {
        let mut it = std::env::args().skip(1);
        let mut scenario = String::new();
        let mut m = HashMap::new();
        while let Some(a) = it.next() {
            if a == "-h" || a == "--help" {
                println!("{usage}");
                std::process::exit(0);
            }
            if let Some(k) = a.strip_prefix("--") {
                let (k, v) = match k.split_once('=') {
                    Some((k, v)) => (k.to_string(), Some(v.to_string())),
                    None => (k.to_string(), None),
                };
                if flags.contains(&k.as_str()) {
                    m.insert(k, v.unwrap_or_else(|| "1".into()));
                } else if known.contains(&k.as_str()) {
                    let Some(v) = v.or_else(|| it.next()) else {
                        eprintln!("--{k} needs a value");
                        std::process::exit(2);
                    };
                    m.insert(k, v);
                } else {
                    eprintln!("unknown option --{k}\n{usage}");
                    std::process::exit(2);
                }
            } else if scenario.is_empty() {
                scenario = a;
            } else {
                eprintln!("unexpected argument {a}\n{usage}");
                std::process::exit(2);
            }
        }
        Args { scenario, m }
    }
    pub fn s(&self, k: &str, d: &str) -> String {
        self.m.get(k).cloned().unwrap_or_else(|| d.to_string())
    }
    pub fn n<T: std::str::FromStr>(&self, k: &str, d: T) -> T {
        match self.m.get(k) {
            None => d,
            Some(v) => v.parse().unwrap_or_else(|_| {
                eprintln!("--{k}: not a number: {v}");
                std::process::exit(2)
            }),
        }
    }
    pub fn has(&self, k: &str) -> bool {
        self.m.contains_key(k)
    }
}
