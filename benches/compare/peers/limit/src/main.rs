//! The physical limit: one epoll thread, no database, no authentication, no JSON library. It answers
//! just enough HTTP, WebSocket, Engine.IO and Socket.IO for loadgen, and on each POST of a source it
//! sends one already framed buffer to every subscriber of the vault with one send(2) each.
//! COALESCE=1: events of one epoll round go to a subscriber in one send(2).
//! FAULT=drop|dup|swap: every 1000th delivery is dropped, doubled, or changes places with the next one
//! to the same subscriber (to see that loadgen notices).
//! Environment: PORT (default 3900), COALESCE, FAULT.
use base64::Engine;
use sha1::{Digest, Sha1};
use std::collections::HashMap;
use std::os::fd::RawFd;

struct Conn {
    fd: RawFd,
    ws: bool,
    inb: Vec<u8>,
    out: Vec<u8>, // what the socket would not take
    vault: usize,
    held: Vec<u8>, // FAULT=swap: goes after the next event
}
struct Vault {
    subs: Vec<usize>,
    pending: Vec<u8>,
}
struct Server {
    ep: RawFd,
    conns: Vec<Option<Conn>>,
    free: Vec<usize>,
    vaults: Vec<Vault>,
    dirty: Vec<usize>,
    answers: Vec<(usize, Vec<u8>)>,
    coalesce: bool,
    fault: u8,
    count: u64,
    next_source: u64,
    sids: u64,
    sources: HashMap<u64, usize>,
}

fn frame(op: u8, p: &[u8]) -> Vec<u8> {
    let mut o = Vec::with_capacity(p.len() + 4);
    o.push(0x80 | op);
    if p.len() < 126 {
        o.push(p.len() as u8);
    } else {
        o.push(126);
        o.extend_from_slice(&(p.len() as u16).to_be_bytes());
    }
    o.extend_from_slice(p);
    o
}
fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    memchr::memmem::find(h, n)
}
fn field<'a>(body: &'a [u8], key: &str) -> &'a str {
    let k = format!("\"{key}\":\"");
    find(body, k.as_bytes())
        .map(|a| {
            let r = &body[a + k.len()..];
            let e = memchr::memchr(b'"', r).unwrap_or(r.len());
            std::str::from_utf8(&r[..e]).unwrap_or("")
        })
        .unwrap_or("")
}

impl Server {
    fn ctl(&self, op: i32, fd: RawFd, ev: i32, i: usize) {
        let mut e = libc::epoll_event { events: ev as u32, u64: i as u64 };
        unsafe { libc::epoll_ctl(self.ep, op, fd, &mut e) };
    }
    fn send(&mut self, i: usize, b: &[u8]) {
        let Some(c) = self.conns[i].as_mut() else {
            return;
        };
        if !c.out.is_empty() {
            c.out.extend_from_slice(b);
            return;
        }
        let r = unsafe { libc::send(c.fd, b.as_ptr() as *const _, b.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        let n = if r < 0 {
            if std::io::Error::last_os_error().kind() != std::io::ErrorKind::WouldBlock {
                return; // the read side will see the end of this connection
            }
            0
        } else {
            r as usize
        };
        if n < b.len() {
            c.out.extend_from_slice(&b[n..]);
            let fd = c.fd;
            self.ctl(libc::EPOLL_CTL_MOD, fd, libc::EPOLLIN | libc::EPOLLOUT, i);
        }
    }
    fn flush(&mut self, i: usize) {
        let Some(c) = self.conns[i].as_mut() else {
            return;
        };
        let r = unsafe {
            libc::send(c.fd, c.out.as_ptr() as *const _, c.out.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL)
        };
        if r > 0 {
            c.out.drain(..r as usize);
        }
        if c.out.is_empty() {
            c.out = Vec::new();
            let fd = c.fd;
            self.ctl(libc::EPOLL_CTL_MOD, fd, libc::EPOLLIN, i);
        }
    }
    fn drop_conn(&mut self, i: usize) {
        if let Some(c) = self.conns[i].take() {
            if c.vault != usize::MAX {
                self.vaults[c.vault].subs.retain(|x| *x != i);
            }
            unsafe { libc::close(c.fd) };
            self.free.push(i);
        }
    }
    #[cold]
    fn faulty(&mut self, i: usize, f: &[u8]) {
        self.count += 1;
        let hit = self.count % 1000 == 0;
        match (self.fault, hit) {
            (1, true) => return,
            (2, true) => self.send(i, f),
            (3, true) => {
                if let Some(c) = self.conns[i].as_mut().filter(|c| c.held.is_empty()) {
                    c.held = f.to_vec();
                    return;
                }
            }
            _ => {}
        }
        self.send(i, f);
        let held = self.conns[i].as_mut().map(|c| std::mem::take(&mut c.held)).unwrap_or_default();
        if !held.is_empty() {
            self.send(i, &held);
        }
    }
    fn publish(&mut self, v: usize, f: &[u8]) {
        if self.coalesce {
            if self.vaults[v].pending.is_empty() {
                self.dirty.push(v);
            }
            self.vaults[v].pending.extend_from_slice(f);
        } else {
            let subs = std::mem::take(&mut self.vaults[v].subs);
            for s in &subs {
                if self.fault == 0 {
                    self.send(*s, f);
                } else {
                    self.faulty(*s, f);
                }
            }
            self.vaults[v].subs = subs;
        }
    }
    fn answer(&mut self, i: usize, status: &str, body: &str) {
        let b = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if self.coalesce {
            self.answers.push((i, b.into_bytes()));
        } else {
            self.send(i, b.as_bytes());
        }
    }
    fn event(&mut self, name: &str, id: u64, v: usize, body: &[u8]) -> String {
        let src = format!(
            "{{\"id\":\"{id:08}-0000-4000-8000-000000000000\",\"title\":\"{}\",\"fileUrl\":\"{}\",\"fileKey\":\"{}\",\"fileSize\":482133,\"mimeType\":\"{}\",\"vaultId\":\"{v}\",\"createdAt\":\"2026-01-01T00:00:00.000Z\"}}",
            field(body, "title"), field(body, "fileUrl"), field(body, "fileKey"), field(body, "mimeType")
        );
        let ev = format!(
            "42[\"source:{name}\",{{\"source\":{src},\"actor\":{{\"userId\":\"bench-w0\",\"userName\":\"Bench bench-w0\",\"role\":\"contributor\"}},\"timestamp\":\"2026-01-01T00:00:00.000Z\"}}]"
        );
        self.publish(v, &frame(1, ev.as_bytes()));
        src
    }
    fn http(&mut self, i: usize, head: &str, body: &[u8]) {
        let mut w = head.split(' ');
        let (m, path) = (w.next().unwrap_or(""), w.next().unwrap_or(""));
        if path.starts_with("/socket.io/") {
            let key = head
                .lines()
                .find(|l| l.len() > 18 && l[..18].eq_ignore_ascii_case("sec-websocket-key:"))
                .map(|l| l[18..].trim())
                .unwrap_or("");
            let mut h = Sha1::new();
            h.update(key.as_bytes());
            h.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
            let acc = base64::engine::general_purpose::STANDARD.encode(h.finalize());
            self.sids += 1;
            let mut o = format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {acc}\r\n\r\n").into_bytes();
            o.extend(frame(1, format!("0{{\"sid\":\"e{:015}\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000,\"maxPayload\":1000000}}", self.sids).as_bytes()));
            self.send(i, &o);
            if let Some(c) = self.conns[i].as_mut() {
                c.ws = true;
            }
            return;
        }
        let seg: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (m, seg.as_slice()) {
            ("POST", ["api", "vaults"]) => {
                self.vaults.push(Vault { subs: vec![], pending: vec![] });
                let id = self.vaults.len() - 1;
                self.answer(i, "201 Created", &format!("{{\"id\":\"{id}\"}}"));
            }
            ("POST", ["api", "vaults", _, "members"]) => self.answer(i, "201 Created", "{}"),
            ("POST", ["api", "vaults", v, "sources"]) => {
                let v: usize = v.parse().unwrap_or(0);
                self.next_source += 1;
                let id = self.next_source;
                let s = self.event("created", id, v, body);
                self.answer(i, "201 Created", &s);
            }
            ("PATCH", ["api", "sources", id]) | ("DELETE", ["api", "sources", id]) => {
                let id: u64 = id[..8].parse().unwrap_or(0);
                let v = self.sources.get(&id).copied().unwrap_or(0);
                let s = self.event(if m == "PATCH" { "updated" } else { "deleted" }, id, v, body);
                self.answer(i, "200 OK", &s);
            }
            _ => self.answer(i, "200 OK", "{\"ok\":true}"),
        }
    }
    fn readable(&mut self, i: usize, rb: &mut [u8]) {
        let Some(c) = self.conns[i].as_mut() else {
            return;
        };
        let n = unsafe { libc::recv(c.fd, rb.as_mut_ptr() as *mut _, rb.len(), libc::MSG_DONTWAIT) };
        if n == 0 || (n < 0 && std::io::Error::last_os_error().kind() != std::io::ErrorKind::WouldBlock) {
            return self.drop_conn(i);
        }
        if n < 0 {
            return;
        }
        let mut b = std::mem::take(&mut c.inb);
        b.extend_from_slice(&rb[..n as usize]);
        let mut p = 0;
        loop {
            let Some(c) = self.conns[i].as_ref() else {
                return;
            };
            let r = &b[p..];
            if c.ws {
                if r.len() < 6 {
                    break;
                }
                let l7 = (r[1] & 0x7f) as usize;
                let (h, len) = if l7 < 126 { (2, l7) } else { (4, u16::from_be_bytes([r[2], r[3]]) as usize) };
                if r.len() < h + 4 + len {
                    break;
                }
                let k = [r[h], r[h + 1], r[h + 2], r[h + 3]];
                let m: Vec<u8> = r[h + 4..h + 4 + len].iter().enumerate().map(|(j, x)| x ^ k[j & 3]).collect();
                let op = r[0] & 15;
                p += h + 4 + len;
                if op == 8 {
                    return self.drop_conn(i);
                }
                if m.starts_with(b"40") {
                    let f = frame(1, format!("40{{\"sid\":\"s{:015}\"}}", i).as_bytes());
                    self.send(i, &f);
                } else if m.starts_with(b"42[\"vault:join\"") {
                    let t = std::str::from_utf8(&m[16..]).unwrap_or("").trim_matches(|c| c == '"' || c == ']');
                    let v: usize = t.parse().unwrap_or(0);
                    if v < self.vaults.len() {
                        self.vaults[v].subs.push(i);
                        self.conns[i].as_mut().unwrap().vault = v;
                        let f = frame(
                            1,
                            format!("42[\"vault:joined\",{{\"vaultId\":\"{v}\",\"role\":\"viewer\"}}]").as_bytes(),
                        );
                        self.send(i, &f);
                    }
                }
            } else {
                let Some(h) = find(r, b"\r\n\r\n") else { break };
                let head = std::str::from_utf8(&r[..h]).unwrap_or("").to_string();
                let len: usize = head
                    .lines()
                    .find(|l| l.len() > 15 && l[..15].eq_ignore_ascii_case("content-length:"))
                    .and_then(|l| l[15..].trim().parse().ok())
                    .unwrap_or(0);
                if r.len() < h + 4 + len {
                    break;
                }
                let body = r[h + 4..h + 4 + len].to_vec();
                p += h + 4 + len;
                self.http(i, &head, &body);
            }
        }
        if p < b.len() {
            if let Some(c) = self.conns[i].as_mut() {
                c.inb = b.split_off(p);
            }
        }
    }
}

fn main() {
    let port: u16 = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(3900);
    let coalesce = std::env::var("COALESCE").is_ok_and(|v| v == "1");
    let fault = match std::env::var("FAULT").as_deref() {
        Ok("drop") => 1,
        Ok("dup") => 2,
        Ok("swap") => 3,
        _ => 0,
    };
    unsafe {
        let mut l = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut l);
        l.rlim_cur = l.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &l);
        let lfd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
        let one = 1i32;
        libc::setsockopt(lfd, libc::SOL_SOCKET, libc::SO_REUSEADDR, &one as *const _ as *const _, 4);
        let a = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: 0x7f00_0001u32.to_be() },
            sin_zero: [0; 8],
        };
        if libc::bind(lfd, &a as *const _ as *const _, 16) < 0 || libc::listen(lfd, 4096) < 0 {
            eprintln!("cannot listen on {port}: {}", std::io::Error::last_os_error());
            std::process::exit(1);
        }
        let ep = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        let mut s = Server {
            ep,
            conns: vec![],
            free: vec![],
            vaults: vec![],
            dirty: vec![],
            answers: vec![],
            coalesce,
            fault,
            count: 0,
            next_source: 0,
            sids: 0,
            sources: HashMap::new(),
        };
        s.ctl(libc::EPOLL_CTL_ADD, lfd, libc::EPOLLIN, usize::MAX);
        let mut evs = vec![libc::epoll_event { events: 0, u64: 0 }; 1024];
        let mut rb = vec![0u8; 65536];
        let mut last_ping = std::time::Instant::now();
        println!("limit listening on 127.0.0.1:{port} coalesce={coalesce}");
        loop {
            let n = libc::epoll_wait(ep, evs.as_mut_ptr(), 1024, 1000).max(0) as usize;
            for e in &evs[..n] {
                let (i, f) = (e.u64 as usize, e.events as i32);
                if i == usize::MAX {
                    loop {
                        let fd = libc::accept4(
                            lfd,
                            std::ptr::null_mut(),
                            std::ptr::null_mut(),
                            libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC,
                        );
                        if fd < 0 {
                            break;
                        }
                        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &one as *const _ as *const _, 4);
                        let c = Conn { fd, ws: false, inb: vec![], out: vec![], vault: usize::MAX, held: vec![] };
                        let i = s.free.pop().unwrap_or_else(|| {
                            s.conns.push(None);
                            s.conns.len() - 1
                        });
                        s.conns[i] = Some(c);
                        s.ctl(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, i);
                    }
                    continue;
                }
                if f & libc::EPOLLOUT != 0 {
                    s.flush(i);
                }
                if f & !libc::EPOLLOUT != 0 {
                    s.readable(i, &mut rb);
                }
            }
            if s.coalesce {
                for v in std::mem::take(&mut s.dirty) {
                    let b = std::mem::take(&mut s.vaults[v].pending);
                    let subs = std::mem::take(&mut s.vaults[v].subs);
                    for x in &subs {
                        s.send(*x, &b);
                    }
                    s.vaults[v].subs = subs;
                }
                for (i, b) in std::mem::take(&mut s.answers) {
                    s.send(i, &b);
                }
            }
            if last_ping.elapsed().as_secs() >= 25 {
                last_ping = std::time::Instant::now();
                let f = frame(1, b"2");
                for i in 0..s.conns.len() {
                    if s.conns[i].as_ref().is_some_and(|c| c.ws) {
                        s.send(i, &f);
                    }
                }
            }
        }
    }
}
