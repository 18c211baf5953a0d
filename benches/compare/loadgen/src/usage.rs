//! CPU and memory of the server, of this process and of the machine.

use crate::util::{machine_busy, now_ns, proc_cpu, proc_rss_kib, self_cpu, Cpu};

/// What was used until a time.
pub struct Usage {
    pub time_ns: u64,
    pub server: Cpu,
    pub client: Cpu,
    /// Busy seconds of all cores.
    pub machine: f64,
    pub server_rss_kib: u64,
}

impl Usage {
    /// Reads the figures. Those of the server are 0 if its process is not known.
    pub fn now(pid: u32) -> Self {
        let server = if pid > 0 { proc_cpu(pid) } else { Cpu::default() };
        Self {
            time_ns: now_ns(),
            server,
            client: self_cpu(),
            machine: machine_busy(),
            server_rss_kib: if pid > 0 { proc_rss_kib(pid) } else { 0 },
        }
    }

    /// Returns the seconds since an earlier time.
    pub fn seconds_since(&self, earlier: &Usage) -> f64 {
        (self.time_ns - earlier.time_ns) as f64 / 1e9
    }

    /// Returns the CPU seconds of the server since an earlier time.
    pub fn server_cpu_since(&self, earlier: &Usage) -> f64 {
        self.server.sub(&earlier.server).total()
    }
}
