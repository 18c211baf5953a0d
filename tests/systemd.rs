//! The service beside systemd: what it tells its supervisor, heard on a socket such as systemd's, and the unit that is
//! shipped, judged by systemd's own tools where they are installed.

#![allow(clippy::unwrap_used, reason = "a test may fail so")]

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixDatagram,
    path::Path,
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_vaultcast");
const UNIT: &str = include_str!("../deploy/vaultcast.service");

/// Longer than anything here takes; only a broken promise waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// After how many seconds of an orderly stop systemd kills, as the unit says.
const TIMEOUT_STOP: (&str, Duration) = ("TimeoutStopSec=20s", Duration::from_secs(20));

#[actix_web::test]
async fn the_supervisor_hears_when_both_listeners_are_open_and_when_the_service_drains() {
    let mut supervised = Supervised::start(&[]);
    let ready = supervised.hears("READY=1");
    let addr: SocketAddr = said(&ready, "STATUS=serving on ").parse().unwrap();
    for listener in [addr, supervised.admin] {
        let answer = reqwest::get(format!("http://{listener}/readyz")).await;
        assert_eq!(answer.unwrap().status(), 200, "{listener}");
    }

    supervised.terminate();
    let stopping = supervised.hears("STOPPING=1");
    assert_eq!(said(&stopping, "STATUS="), "draining: letting 0 sockets go");
    assert!(supervised.ended().success());
}

#[test]
fn the_supervisor_waits_longer_than_the_service_may_drain() {
    let mut supervised = Supervised::start(&[("VAULTCAST__SERVER__SHUTDOWN_GRACE", "3m")]);
    supervised.hears("READY=1");
    supervised.terminate();
    let stopping = supervised.hears("STOPPING=1");
    assert_eq!(said(&stopping, "EXTEND_TIMEOUT_USEC="), "185000000");
    assert!(supervised.ended().success());

    let grace = vaultcast::config::Config::default().server.shutdown_grace;
    assert!(UNIT.contains(TIMEOUT_STOP.0) && grace < TIMEOUT_STOP.1);
}

#[test]
fn a_supervisor_that_is_gone_keeps_nobody_from_being_served() {
    let mut supervised = Supervised::start(&[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    while TcpStream::connect(supervised.admin).is_err() {
        assert_eq!(supervised.service.try_wait().unwrap(), None);
    }
    supervised.terminate();
    assert!(supervised.ended().success());
    let log = supervised.log();
    assert!(log.contains("nobody listens there"), "{log}");
}

#[test]
fn the_unit_is_one_that_systemd_understands_and_finds_well_kept() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("systemd-analyze is not installed: the unit was not looked at");
        return;
    };
    assert!(version.status.success(), "{version:?}");

    let directory = TempDir::new().unwrap();
    let unit = directory.path().join("vaultcast.service");
    let installed = "ExecStart=/usr/local/bin/vaultcast";
    assert!(UNIT.contains(installed));
    let here = UNIT.replace(installed, &format!("ExecStart={BINARY}"));
    fs::write(&unit, here).unwrap();
    let verified = analyze(&["verify", "--man=no"], &unit);
    assert_eq!(verified, "", "a warning is a fault, too");
    // Of 10, which is no protection at all; what is left is the network, which a service cannot do without.
    analyze(&["security", "--offline=true", "--threshold=15"], &unit);
}

/// What a tool of systemd's complains of, which it must not do by its end.
fn analyze(args: &[&str], unit: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(args).arg(unit).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{complaints}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    complaints
}

/// The value of a line of a message.
fn said<'a>(message: &'a str, key: &str) -> &'a str {
    let value = message.lines().find_map(|line| line.strip_prefix(key));
    value.unwrap_or_else(|| panic!("no {key} in {message}"))
}

/// The real binary, and the socket on which its supervisor listens.
struct Supervised {
    service: Child,
    admin: SocketAddr,
    socket: UnixDatagram,
    directory: TempDir,
}

impl Supervised {
    fn start(settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = probe.local_addr().unwrap();
        drop(probe);
        let service = Command::new(BINARY)
            .current_dir(directory.path())
            .env("AUTH_SECRET", "a secret of the tests that is long enough")
            .env("DATABASE_URL", "sqlite://vaultcast.db")
            .env("VAULTCAST__SERVER__BIND", "127.0.0.1:0")
            .env("VAULTCAST__ADMIN__BIND", admin.to_string())
            .env("NOTIFY_SOCKET", &path)
            .envs(settings.iter().copied())
            .stderr(File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            service,
            admin,
            socket,
            directory,
        }
    }

    /// The next message, which must say this.
    fn hears(&self, line: &str) -> String {
        let mut buffer = [0; 4096];
        let heard = self.socket.recv(&mut buffer);
        let length = heard.unwrap_or_else(|error| panic!("no {line}: {error}; {}", self.log()));
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(message.lines().any(|one| one == line), "{message}");
        message
    }

    /// As systemd does.
    fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.service.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        self.service.wait().unwrap()
    }

    /// What the service said.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}
