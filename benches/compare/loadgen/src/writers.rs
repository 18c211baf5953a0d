//! HTTP writers: W keep-alive connections on one epoll thread, one request in flight on each.
use crate::net::{self, Epoll};
use crate::subs::{Shared, SEQ_CAP};
use crate::util::{now_ns, Hist};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::atomic::Ordering::*;

pub struct WCfg {
    pub ip: u32,
    pub port: u16,
    pub host: String,
    pub writers: usize,
    pub tokens: Vec<String>,
    pub vaults: Vec<String>,
    pub secs: f64,
    pub max: u64,
    pub rate: f64,
    pub backlog: u64, // mutations not yet delivered everywhere before writers pause; 0 = no limit
    pub subs_per_vault: u64,
    pub mix: bool,
    pub payload: usize,
}
#[derive(Default)]
pub struct WStats {
    pub ok: u64,
    pub errors: u64,
    pub first_error: Option<String>,
    pub lat: Hist,
    pub first_ns: u64,
    pub last_ns: u64,
    pub acked_per_vault: Vec<u32>,
    pub blocked_ns: u64,
}
struct W {
    fd: RawFd,
    busy: bool,
    buf: Vec<u8>,
    t0: u64,
    vault: usize,
    step: u8, // mix: 0 create, 1 update, 2 delete
    source: String,
}

pub fn run(sh: &Shared, c: &WCfg) -> WStats {
    let ep = Epoll::new().expect("epoll");
    let mut st = WStats { acked_per_vault: vec![0; c.vaults.len()], ..Default::default() };
    let mut ws: Vec<W> = Vec::new();
    for i in 0..c.writers {
        ws.push(W { fd: -1, busy: false, buf: Vec::new(), t0: 0, vault: 0, step: 0, source: String::new() });
        open(&ep, &mut ws[i], i, c);
    }
    let mut idle: VecDeque<usize> = (0..c.writers).collect();
    let pad: String = "x".repeat(c.payload);
    let mut evs = vec![libc::epoll_event { events: 0, u64: 0 }; 256];
    let mut rb = vec![0u8; 65536];
    let t_begin = now_ns();
    let t_end = t_begin + (c.secs * 1e9) as u64;
    st.first_ns = t_begin;
    let base = sh.delivered_total();
    let (mut sent, mut rr) = (0u64, 0usize);
    let mut last_progress = (now_ns(), base);
    loop {
        let mut now = now_ns();
        let mut done = now >= t_end || sent >= c.max || sh.stop.load(Relaxed);
        let mut timeout = 50;
        let mut blocked = false;
        while !done && !idle.is_empty() {
            if c.rate > 0.0 {
                let due = t_begin + (sent as f64 * 1e9 / c.rate) as u64;
                if now < due {
                    timeout = ((due - now) / 1_000_000) as i32;
                    break;
                }
            }
            if c.backlog > 0 && c.subs_per_vault > 0 {
                let d = sh.delivered_total();
                if d != last_progress.1 {
                    last_progress = (now, d);
                }
                let out = ((sent - st.errors) * c.subs_per_vault).saturating_sub(d - base);
                if out > c.backlog * c.subs_per_vault {
                    blocked = true;
                    timeout = 1;
                    if now - last_progress.0 > 3_000_000_000 {
                        done = true; // deliveries have stopped: lost ones would block for ever
                    }
                    break;
                }
            }
            let i = idle.pop_front().unwrap();
            let w = &mut ws[i];
            if w.fd < 0 {
                open(&ep, w, i, c);
                if w.fd < 0 {
                    st.errors += 1;
                    sent += 1;
                    idle.push_back(i);
                    timeout = 10;
                    break;
                }
            }
            let tok = &c.tokens[i % c.tokens.len()];
            let seq = sh.next_seq.fetch_add(1, Relaxed) as usize;
            if seq >= SEQ_CAP {
                done = true;
                idle.push_back(i);
                break;
            }
            if w.step == 0 {
                w.vault = rr % c.vaults.len();
                rr += 1;
            }
            let body = if w.step == 2 {
                String::new()
            } else {
                format!(
                    "{{\"title\":\"@BQ.{seq:08} {pad}\",\"fileUrl\":\"https://files.example.org/v/{seq}/document.pdf\",\"fileKey\":\"v/{seq}/document.pdf\",\"fileSize\":482133,\"mimeType\":\"application/pdf\"}}"
                )
            };
            let line = match w.step {
                0 => format!("POST /api/vaults/{}/sources", c.vaults[w.vault]),
                1 => format!("PATCH /api/sources/{}", w.source),
                _ => format!("DELETE /api/sources/{}", w.source),
            };
            let ct = if w.step == 2 { "" } else { "Content-Type: application/json\r\n" };
            let req = format!(
                "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {tok}\r\n{ct}Content-Length: {}\r\n\r\n{body}",
                c.host,
                body.len()
            );
            sh.vault_of[seq].store(w.vault as u32 + 1, Relaxed);
            now = now_ns();
            sh.start_ns[seq].store(now, Relaxed);
            w.t0 = now;
            w.busy = true;
            w.buf.clear();
            sent += 1;
            if net::write_all(w.fd, req.as_bytes()).is_err() {
                fail(&mut st, w, "write failed");
                idle.push_back(i);
            }
        }
        if done && ws.iter().all(|w| !w.busy) {
            break;
        }
        if done && now > t_end + 15_000_000_000 {
            for w in ws.iter_mut().filter(|w| w.busy) {
                fail(&mut st, w, "no answer within 15 s after the end");
            }
            break;
        }
        let n = ep.wait(&mut evs, if done { 50 } else { timeout.clamp(0, 50) });
        if blocked {
            st.blocked_ns += now_ns() - now;
        }
        for e in &evs[..n] {
            let i = e.u64 as usize;
            let w = &mut ws[i];
            if w.fd < 0 {
                continue;
            }
            match net::read(w.fd, &mut rb) {
                Ok(0) => {
                    if w.busy {
                        fail(&mut st, w, "connection closed before the answer");
                        idle.push_back(i);
                    } else {
                        net::close(w.fd);
                        w.fd = -1;
                    }
                }
                Ok(n) => {
                    w.buf.extend_from_slice(&rb[..n]);
                    if let Some((code, a, z)) = net::http_complete(&w.buf) {
                        let t = now_ns();
                        w.busy = false;
                        if (200..300).contains(&code) {
                            st.ok += 1;
                            st.lat.add(t - w.t0);
                            st.last_ns = t;
                            if w.step == 0 {
                                st.acked_per_vault[w.vault] += 1;
                            }
                            if c.mix {
                                if w.step == 0 {
                                    w.source = serde_json::from_slice::<serde_json::Value>(&w.buf[a..z])
                                        .ok()
                                        .and_then(|v| crate::vaults::id_of(&v))
                                        .unwrap_or_default();
                                }
                                w.step = if w.source.is_empty() { 0 } else { (w.step + 1) % 3 };
                            }
                        } else {
                            st.errors += 1;
                            if st.first_error.is_none() {
                                st.first_error = Some(String::from_utf8_lossy(&w.buf[..z.min(400)]).into_owned());
                            }
                            w.step = 0;
                        }
                        idle.push_back(i);
                    }
                }
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(e) => {
                    let m = format!("read: {e}");
                    if w.busy {
                        fail(&mut st, w, &m);
                        idle.push_back(i);
                    } else {
                        net::close(w.fd);
                        w.fd = -1;
                    }
                }
            }
        }
    }
    for w in &ws {
        if w.fd >= 0 {
            net::close(w.fd);
        }
    }
    st
}
fn fail(st: &mut WStats, w: &mut W, m: &str) {
    st.errors += 1;
    if st.first_error.is_none() {
        st.first_error = Some(m.into());
    }
    net::close(w.fd);
    w.fd = -1;
    w.busy = false;
    w.step = 0;
}
fn open(ep: &Epoll, w: &mut W, i: usize, c: &WCfg) {
    if let Ok(fd) = net::connect_nb(c.ip, c.port, 0) {
        unsafe {
            let mut p = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
            libc::poll(&mut p, 1, 5000);
        }
        if net::so_error(fd) == 0 {
            let _ = ep.add(fd, libc::EPOLLIN, i as u64);
            w.fd = fd;
            return;
        }
        net::close(fd);
    }
    w.fd = -1;
}
