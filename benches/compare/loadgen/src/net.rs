//! Thin wrappers over Linux sockets and epoll, plus a small blocking HTTP client for set-up calls.
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::RawFd;

pub fn check(r: i32) -> io::Result<i32> {
    if r < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(r)
    }
}

fn addr(ip: u32, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: ip.to_be() },
        sin_zero: [0; 8],
    }
}

/// Starts a non-blocking connect to ip:port, from 127.0.0.(1+src) when src > 0.
pub fn connect_nb(ip: u32, port: u16, src: u32) -> io::Result<RawFd> {
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0))?;
        let one: i32 = 1;
        let p = &one as *const i32 as *const libc::c_void;
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, p, 4);
        let sl = std::mem::size_of::<libc::sockaddr_in>() as u32;
        if src > 0 {
            libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, p, 4);
            let a = addr(0x7f00_0001 + src, 0);
            if let Err(e) = check(libc::bind(fd, &a as *const _ as *const libc::sockaddr, sl)) {
                libc::close(fd);
                return Err(e);
            }
        }
        let a = addr(ip, port);
        let r = libc::connect(fd, &a as *const _ as *const libc::sockaddr, sl);
        if r < 0 {
            let e = io::Error::last_os_error();
            if e.raw_os_error() != Some(libc::EINPROGRESS) {
                libc::close(fd);
                return Err(e);
            }
        }
        Ok(fd)
    }
}

pub fn read(fd: RawFd, buf: &mut [u8]) -> io::Result<usize> {
    let r = unsafe { libc::recv(fd, buf.as_mut_ptr() as *mut _, buf.len(), libc::MSG_DONTWAIT) };
    if r < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(r as usize)
    }
}
pub fn write(fd: RawFd, buf: &[u8]) -> io::Result<usize> {
    let r = unsafe { libc::send(fd, buf.as_ptr() as *const _, buf.len(), libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    if r < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(r as usize)
    }
}
/// Writes all, waiting with poll(2) when the socket is full (requests are small; this is rare).
pub fn write_all(fd: RawFd, mut b: &[u8]) -> io::Result<()> {
    while !b.is_empty() {
        match write(fd, b) {
            Ok(n) => b = &b[n..],
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => unsafe {
                let mut p = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
                if libc::poll(&mut p, 1, 5000) <= 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            },
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
pub fn close(fd: RawFd) {
    unsafe { libc::close(fd) };
}
pub fn so_error(fd: RawFd) -> i32 {
    let mut e: i32 = 0;
    let mut l: u32 = 4;
    unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, &mut e as *mut _ as *mut _, &mut l) };
    e
}

pub struct Epoll(RawFd);
impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        Ok(Epoll(check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?))
    }
    fn ctl(&self, op: i32, fd: RawFd, ev: u32, data: u64) -> io::Result<()> {
        let mut e = libc::epoll_event { events: ev, u64: data };
        check(unsafe { libc::epoll_ctl(self.0, op, fd, &mut e) }).map(|_| ())
    }
    pub fn add(&self, fd: RawFd, ev: i32, data: u64) -> io::Result<()> {
        self.ctl(libc::EPOLL_CTL_ADD, fd, ev as u32, data)
    }
    pub fn modify(&self, fd: RawFd, ev: i32, data: u64) -> io::Result<()> {
        self.ctl(libc::EPOLL_CTL_MOD, fd, ev as u32, data)
    }
    pub fn wait(&self, evs: &mut [libc::epoll_event], ms: i32) -> usize {
        let r = unsafe { libc::epoll_wait(self.0, evs.as_mut_ptr(), evs.len() as i32, ms) };
        r.max(0) as usize
    }
}

/// Length of a complete HTTP response at the start of `b` with its status, or None when more is needed.
pub fn http_complete(b: &[u8]) -> Option<(u16, usize, usize)> {
    let h = memchr::memmem::find(b, b"\r\n\r\n")?;
    if b.len() < 12 {
        return None;
    }
    let status = (b[9] - b'0') as u16 * 100 + (b[10] - b'0') as u16 * 10 + (b[11] - b'0') as u16;
    let mut len: Option<usize> = None;
    let mut chunked = false;
    for l in b[..h].split(|c| *c == b'\n').skip(1) {
        if l.len() > 15 && l[..15].eq_ignore_ascii_case(b"content-length:") {
            len = std::str::from_utf8(&l[15..]).ok().and_then(|s| s.trim().parse().ok());
        } else if l.len() > 18 && l[..18].eq_ignore_ascii_case(b"transfer-encoding:") {
            chunked = true;
        }
    }
    let body = h + 4;
    if chunked {
        let e = memchr::memmem::find(&b[body..], b"0\r\n\r\n")?;
        return Some((status, body, body + e + 5));
    }
    let n = match (len, status) {
        (Some(n), _) => n,
        (None, 204) | (None, 304) => 0,
        _ => 0,
    };
    if b.len() >= body + n {
        Some((status, body, body + n))
    } else {
        None
    }
}

pub struct Http {
    host: String,
    s: Option<TcpStream>,
}
impl Http {
    pub fn new(host: &str) -> Http {
        Http { host: host.into(), s: None }
    }
    fn once(&mut self, req: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        if self.s.is_none() {
            let s = TcpStream::connect(&self.host)?;
            s.set_nodelay(true)?;
            s.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
            self.s = Some(s);
        }
        let s = self.s.as_mut().unwrap();
        s.write_all(req)?;
        let mut b = Vec::with_capacity(2048);
        let mut t = [0u8; 8192];
        loop {
            let n = s.read(&mut t)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            b.extend_from_slice(&t[..n]);
            if let Some((st, a, e)) = http_complete(&b) {
                return Ok((st, b[a..e].to_vec()));
            }
        }
    }
    pub fn call(&mut self, m: &str, path: &str, token: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
        let req = format!(
            "{m} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.host, body.len()
        );
        match self.once(req.as_bytes()) {
            Ok(r) => Ok(r),
            Err(_) => {
                self.s = None;
                self.once(req.as_bytes())
            }
        }
    }
}
