//! Subscriber side: Engine.IO 4 / Socket.IO 5 over WebSocket, hand-framed on epoll.
//! One read(2) takes whatever the kernel has; frames are parsed in place; an event costs a prefix
//! check, one marker look-up at the offset where it was last time, and 8 digits.
use crate::net::{self, Epoll};
use crate::util::{now_ns, Hist};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};

pub const MARK: &[u8] = b"@BQ.";
pub const SEQ_CAP: usize = 4_000_000;

#[repr(align(128))]
#[derive(Default)]
pub struct Padded(pub AtomicU64);

/// State shared by writers, subscribers and the main thread.
pub struct Shared {
    pub start_ns: Vec<AtomicU64>, // by seq: when its POST began
    pub vault_of: Vec<AtomicU32>, // by seq: vault index + 1
    pub pos_of: Vec<AtomicU32>,   // by seq: 1-based place in its vault's order (first seen), 0 = unseen
    pub vault_next: Vec<Mutex<u32>>,
    pub next_seq: AtomicU32,
    pub measure_from: AtomicU32,
    pub delivered: Vec<Padded>, // per subscriber thread, all phases
    pub joined: AtomicU32,
    pub failed: AtomicU32,
    pub pings: AtomicU64,
    pub disconnects: AtomicU32,
    pub rejoins: AtomicU32,
    pub stop: AtomicBool,
}
fn zeroed_u32(n: usize) -> Vec<AtomicU32> {
    let v = vec![0u32; n];
    let mut v = std::mem::ManuallyDrop::new(v);
    // AtomicU32 has the layout of u32; vec![0; n] is calloc, so untouched pages stay unmapped.
    unsafe { Vec::from_raw_parts(v.as_mut_ptr() as *mut AtomicU32, n, v.capacity()) }
}
fn zeroed_u64(n: usize) -> Vec<AtomicU64> {
    let v = vec![0u64; n];
    let mut v = std::mem::ManuallyDrop::new(v);
    unsafe { Vec::from_raw_parts(v.as_mut_ptr() as *mut AtomicU64, n, v.capacity()) }
}
impl Shared {
    pub fn new(vaults: usize, threads: usize) -> Shared {
        Shared {
            start_ns: zeroed_u64(SEQ_CAP),
            vault_of: zeroed_u32(SEQ_CAP),
            pos_of: zeroed_u32(SEQ_CAP),
            vault_next: (0..vaults).map(|_| Mutex::new(0)).collect(),
            next_seq: AtomicU32::new(1),
            measure_from: AtomicU32::new(u32::MAX),
            delivered: (0..threads).map(|_| Padded::default()).collect(),
            joined: AtomicU32::new(0),
            failed: AtomicU32::new(0),
            pings: AtomicU64::new(0),
            disconnects: AtomicU32::new(0),
            rejoins: AtomicU32::new(0),
            stop: AtomicBool::new(false),
        }
    }
    pub fn delivered_total(&self) -> u64 {
        self.delivered.iter().map(|p| p.0.load(Relaxed)).sum()
    }
}

pub struct Spec {
    pub vault: u32,
    pub vault_id: Arc<str>,
    pub token: Arc<str>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum St {
    Connecting,
    Upgrade,
    Open,
    Ack,
    Joining,
    Joined,
    Dead,
}

struct Conn {
    fd: RawFd,
    st: St,
    vault: u32,
    spec: u32,
    t0: u64,
    t_join: u64, // when vault:join was last sent
    buf: Vec<u8>,
    pos: u32,
    got: u32,
    missing: Vec<u32>,
}

#[derive(Default)]
pub struct Stats {
    pub lat: Hist,  // POST start -> delivery, measured phase
    pub join: Hist, // TCP connect start -> vault:joined
    pub reads: u64, // recv calls that returned data, measured phase
    pub bytes: u64,
    pub delivered: u64, // measured phase
    pub last_ns: u64,   // time of last measured delivery
    pub dup: u64,
    pub reordered: u64,
    pub gaps_open: u64, // positions never received although a later one was
    pub misrouted: u64,
    pub unknown: u64,
    pub bad_frames: u64,
    pub got_total: u64,
    pub disconnects: u32,
    pub first_error: Option<String>,
    pub sample: Option<String>,
}

impl Stats {
    /// Adds what another thread received.
    pub fn add(&mut self, other: Stats) {
        self.lat.merge(&other.lat);
        self.join.merge(&other.join);
        self.reads += other.reads;
        self.bytes += other.bytes;
        self.delivered += other.delivered;
        self.last_ns = self.last_ns.max(other.last_ns);
        self.dup += other.dup;
        self.reordered += other.reordered;
        self.gaps_open += other.gaps_open;
        self.misrouted += other.misrouted;
        self.unknown += other.unknown;
        self.bad_frames += other.bad_frames;
        self.got_total += other.got_total;
        self.first_error = self.first_error.take().or(other.first_error);
        self.sample = self.sample.take().or(other.sample);
    }
}

pub struct Cfg {
    pub ip: u32,
    pub port: u16,
    pub host: String,
    pub path: String,
    pub concurrency: usize,
    pub src: u32,
    pub join_event: String,
    pub join_style: String,
    pub ramp_per_s: f64,
}

fn frame_into(out: &mut Vec<u8>, op: u8, p: &[u8]) {
    const K: [u8; 4] = [0x5a, 0x13, 0xc7, 0x88];
    out.push(0x80 | op);
    if p.len() < 126 {
        out.push(0x80 | p.len() as u8);
    } else {
        out.push(0x80 | 126);
        out.extend_from_slice(&(p.len() as u16).to_be_bytes());
    }
    out.extend_from_slice(&K);
    out.extend(p.iter().enumerate().map(|(i, b)| b ^ K[i & 3]));
}
fn send_text(fd: RawFd, p: &[u8]) -> bool {
    let mut o = Vec::with_capacity(p.len() + 14);
    frame_into(&mut o, 1, p);
    net::write_all(fd, &o).is_ok()
}

struct Worker<'a> {
    sh: &'a Shared,
    cfg: &'a Cfg,
    specs: &'a [Spec],
    conns: Vec<Conn>,
    st: Stats,
    hint: usize,
    inflight: usize,
    from: u32,
    delivered: u64,
    pong: Vec<u8>,
}

pub fn run(id: usize, sh: &Shared, cfg: &Cfg, specs: &[Spec]) -> Stats {
    let ep = Epoll::new().expect("epoll");
    let mut pong = Vec::new();
    frame_into(&mut pong, 1, b"3");
    let mut w = Worker {
        sh,
        cfg,
        specs,
        conns: Vec::with_capacity(specs.len()),
        st: Stats::default(),
        hint: 0,
        inflight: 0,
        from: u32::MAX,
        delivered: 0,
        pong,
    };
    let mut evs: Vec<libc::epoll_event> = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
    let mut rb = vec![0u8; 256 * 1024];
    let mut next = 0usize;
    let t_begin = now_ns();
    let mut last_scan = t_begin;
    loop {
        while w.inflight < cfg.concurrency && next < specs.len() {
            if cfg.ramp_per_s > 0.0 {
                let due = t_begin + (next as f64 * 1e9 / cfg.ramp_per_s) as u64;
                if now_ns() < due {
                    break;
                }
            }
            w.start(&ep, next);
            next += 1;
        }
        let n = ep.wait(&mut evs, if next < specs.len() { 2 } else { 100 });
        if sh.stop.load(Relaxed) {
            break;
        }
        w.from = sh.measure_from.load(Relaxed);
        if w.inflight > 0 && now_ns() - last_scan > 500_000_000 {
            last_scan = now_ns();
            w.rejoin();
        }
        for e in &evs[..n] {
            let (i, f) = (e.u64 as usize, e.events);
            w.event(&ep, i, f, &mut rb);
        }
        sh.delivered[id].0.store(w.delivered, Relaxed);
    }
    for c in &w.conns {
        w.st.got_total += c.got as u64;
        w.st.gaps_open += c.missing.len() as u64;
        if c.st != St::Joined && c.st != St::Dead && w.st.first_error.is_none() {
            w.st.first_error = Some(format!("stuck in state {:?}", c.st));
        }
        if c.fd >= 0 {
            net::close(c.fd);
        }
    }
    w.st
}

impl Worker<'_> {
    fn start(&mut self, ep: &Epoll, k: usize) {
        let i = self.conns.len();
        let src = if self.cfg.src > 1 { (k as u32) % self.cfg.src + 1 } else { 0 };
        let t0 = now_ns();
        let mut c = Conn {
            fd: -1,
            st: St::Connecting,
            vault: self.specs[k].vault,
            spec: k as u32,
            t0,
            t_join: 0,
            buf: Vec::new(),
            pos: 0,
            got: 0,
            missing: Vec::new(),
        };
        match net::connect_nb(self.cfg.ip, self.cfg.port, src) {
            Ok(fd) => {
                c.fd = fd;
                self.inflight += 1;
                let _ = ep.add(fd, libc::EPOLLIN | libc::EPOLLOUT, i as u64);
                self.conns.push(c);
            }
            Err(e) => {
                c.st = St::Dead;
                self.conns.push(c);
                self.sh.failed.fetch_add(1, Relaxed);
                self.err(format!("connect: {e}"));
            }
        }
    }
    fn err(&mut self, s: String) {
        if self.st.first_error.is_none() {
            self.st.first_error = Some(s);
        }
    }
    fn kill(&mut self, i: usize, why: &str) {
        let c = &mut self.conns[i];
        if c.st == St::Dead {
            return;
        }
        net::close(c.fd);
        c.fd = -1;
        if c.st == St::Joined {
            self.sh.disconnects.fetch_add(1, Relaxed);
        } else {
            self.sh.failed.fetch_add(1, Relaxed);
            self.inflight -= 1;
        }
        let s = format!("{why} (in state {:?})", c.st);
        c.st = St::Dead;
        self.err(s);
    }
    fn send_join(&mut self, i: usize) -> bool {
        let s = &self.specs[self.conns[i].spec as usize];
        let m = if self.cfg.join_style == "object" {
            format!("42[\"{}\",{{\"vaultId\":\"{}\"}}]", self.cfg.join_event, s.vault_id)
        } else {
            format!("42[\"{}\",\"{}\"]", self.cfg.join_event, s.vault_id)
        };
        let c = &mut self.conns[i];
        c.st = St::Joining;
        c.t_join = now_ns();
        if !send_text(c.fd, m.as_bytes()) {
            self.kill(i, "join write");
            return false;
        }
        true
    }
    /// A join without an answer for 2 s is sent again and counted (some servers drop an event that
    /// arrives before its handler is registered).
    fn rejoin(&mut self) {
        let now = now_ns();
        for i in 0..self.conns.len() {
            if self.conns[i].st == St::Joining && now - self.conns[i].t_join > 2_000_000_000 {
                self.sh.rejoins.fetch_add(1, Relaxed);
                self.send_join(i);
            }
        }
    }
    fn event(&mut self, ep: &Epoll, i: usize, f: u32, rb: &mut [u8]) {
        let c = &mut self.conns[i];
        if c.st == St::Dead {
            return;
        }
        let fd = c.fd;
        if c.st == St::Connecting {
            if f & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0 {
                let e = net::so_error(fd);
                return self.kill(i, &format!("connect failed, errno {e}"));
            }
            if f & libc::EPOLLOUT as u32 == 0 {
                return;
            }
            c.st = St::Upgrade;
            let _ = ep.modify(fd, libc::EPOLLIN, i as u64);
            let req = format!(
                "GET {}?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                self.cfg.path, self.cfg.host
            );
            if net::write_all(fd, req.as_bytes()).is_err() {
                self.kill(i, "write");
            }
            return;
        }
        // What is left of an incomplete frame goes in front of what is read now.
        let left = c.buf.len();
        if left > 0 {
            if left + 65536 > rb.len() {
                return self.kill(i, "frame too long");
            }
            rb[..left].copy_from_slice(&c.buf);
            c.buf.clear();
        }
        let n = match net::read(fd, &mut rb[left..]) {
            Ok(0) => return self.kill(i, "closed by server"),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                self.conns[i].buf.extend_from_slice(&rb[..left]);
                return;
            }
            Err(e) => return self.kill(i, &format!("read: {e}")),
        };
        let now = now_ns();
        let b = &rb[..left + n];
        let mut p = 0;
        if self.conns[i].st == St::Upgrade {
            match memchr::memmem::find(b, b"\r\n\r\n") {
                None => {
                    self.conns[i].buf.extend_from_slice(b);
                    return;
                }
                Some(h) => {
                    if !b.starts_with(b"HTTP/1.1 101") {
                        let s = String::from_utf8_lossy(&b[..b.len().min(200)]).into_owned();
                        return self.kill(i, &format!("no 101: {s}"));
                    }
                    self.conns[i].st = St::Open;
                    p = h + 4;
                }
            }
        }
        let measuring = self.from != u32::MAX && self.conns[i].st == St::Joined;
        if measuring {
            self.st.reads += 1;
            self.st.bytes += n as u64;
        }
        while b.len() - p >= 2 {
            let (b0, l7) = (b[p], (b[p + 1] & 0x7f) as usize);
            let (h, len) = if l7 < 126 {
                (2, l7)
            } else if l7 == 126 {
                if b.len() - p < 4 {
                    break;
                }
                (4, u16::from_be_bytes([b[p + 2], b[p + 3]]) as usize)
            } else {
                if b.len() - p < 10 {
                    break;
                }
                (10, u64::from_be_bytes(b[p + 2..p + 10].try_into().unwrap()) as usize)
            };
            if b.len() - p < h + len {
                break;
            }
            let pay = &b[p + h..p + h + len];
            p += h + len;
            match b0 {
                0x81 => {
                    if !self.text(i, pay, now) {
                        return;
                    }
                }
                0x88 => return self.kill(i, &format!("close frame {:?}", &pay[..pay.len().min(2)])),
                0x89 => {
                    let mut o = Vec::new();
                    frame_into(&mut o, 10, pay);
                    let _ = net::write_all(fd, &o);
                }
                0x8a | 0x82 => {}
                _ => self.st.bad_frames += 1, // fragments, reserved bits: not offered, so not expected
            }
        }
        if p < b.len() {
            let (c, rest) = (&mut self.conns[i], &b[p..]);
            c.buf.extend_from_slice(rest);
        }
    }

    #[inline]
    fn text(&mut self, i: usize, p: &[u8], now: u64) -> bool {
        if p.len() > 20 && p[0] == b'4' && p[1] == b'2' {
            if p.starts_with(b"42[\"source:") {
                self.delivery(i, p, now);
                return true;
            }
            if p.starts_with(b"42[\"vault:joined\"") {
                let c = &mut self.conns[i];
                if c.st == St::Joining {
                    c.st = St::Joined;
                    self.st.join.add(now_ns() - c.t0);
                    self.inflight -= 1;
                    self.sh.joined.fetch_add(1, Relaxed);
                }
                return true;
            }
            if memchr::memmem::find(&p[..p.len().min(40)], b"error").is_some() {
                let s = String::from_utf8_lossy(&p[..p.len().min(200)]).into_owned();
                self.kill(i, &s);
                return false;
            }
            self.st.unknown += 1;
            return true;
        }
        match p {
            b"2" => {
                let fd = self.conns[i].fd;
                self.sh.pings.fetch_add(1, Relaxed);
                if net::write_all(fd, &self.pong).is_err() {
                    self.kill(i, "pong write");
                    return false;
                }
            }
            [b'0', b'{', ..] => {
                let s = &self.specs[self.conns[i].spec as usize];
                let m = format!("40{{\"token\":\"{}\"}}", s.token);
                let c = &mut self.conns[i];
                c.st = St::Ack;
                if !send_text(c.fd, m.as_bytes()) {
                    self.kill(i, "connect packet write");
                    return false;
                }
            }
            [b'4', b'0', ..] => return self.send_join(i),
            [b'4', b'4', ..] | [b'4', b'1', ..] | [b'1', ..] => {
                let s = String::from_utf8_lossy(&p[..p.len().min(200)]).into_owned();
                self.kill(i, &format!("refused: {s}"));
                return false;
            }
            _ => self.st.unknown += 1,
        }
        true
    }

    #[inline]
    fn delivery(&mut self, i: usize, p: &[u8], now: u64) {
        let h = self.hint;
        let at = if p.len() >= h + 12 && &p[h..h + 4] == MARK {
            h
        } else {
            match memchr::memmem::find(p, MARK) {
                Some(a) if p.len() >= a + 12 => {
                    self.hint = a;
                    a
                }
                _ => {
                    self.st.unknown += 1;
                    return;
                }
            }
        };
        let mut seq = 0usize;
        for d in &p[at + 4..at + 12] {
            seq = seq * 10 + (d.wrapping_sub(b'0')) as usize;
        }
        if seq == 0 || seq >= SEQ_CAP {
            self.st.unknown += 1;
            return;
        }
        if self.st.sample.is_none() {
            self.st.sample = Some(String::from_utf8_lossy(p).into_owned());
        }
        let c = &mut self.conns[i];
        if self.sh.vault_of[seq].load(Relaxed) != c.vault + 1 {
            self.st.misrouted += 1;
            return;
        }
        let mut pos = self.sh.pos_of[seq].load(Acquire);
        if pos == 0 {
            let mut g = self.sh.vault_next[c.vault as usize].lock().unwrap();
            pos = self.sh.pos_of[seq].load(Acquire);
            if pos == 0 {
                *g += 1;
                pos = *g;
                self.sh.pos_of[seq].store(pos, Release);
            }
        }
        if pos == c.pos + 1 {
            c.pos = pos;
        } else if pos > c.pos {
            c.missing.extend(c.pos + 1..pos);
            c.pos = pos;
        } else if let Some(k) = c.missing.iter().position(|x| *x == pos) {
            c.missing.swap_remove(k);
            self.st.reordered += 1;
        } else {
            self.st.dup += 1;
            return;
        }
        c.got += 1;
        self.delivered += 1;
        if seq as u32 >= self.from {
            self.st.delivered += 1;
            self.st.last_ns = now;
            self.st.lat.add(now.saturating_sub(self.sh.start_ns[seq].load(Relaxed)));
        }
    }
}
