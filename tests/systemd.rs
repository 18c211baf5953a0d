//! The service under systemd: the notifications that it sends to its supervisor, received on a socket like systemd's, and
//! the shipped unit, checked with `systemd-analyze` where it is installed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

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

/// Longer than any step of a test takes.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(60);

/// The setting of the unit that limits a graceful shutdown.
const UNIT_STOP_TIMEOUT: &str = "TimeoutStopSec=20s";

/// The value of [`UNIT_STOP_TIMEOUT`]. systemd kills the service after this time.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

#[actix_web::test]
async fn supervisor_is_notified_of_readiness_and_draining() {
    let mut supervised = SupervisedService::start(&[]);
    let ready = supervised.receive("READY=1");
    let addr: SocketAddr = value_of(&ready, "STATUS=serving on ").parse().unwrap();
    for listener in [addr, supervised.admin] {
        let response = reqwest::get(format!("http://{listener}/readyz")).await;
        assert_eq!(response.unwrap().status(), 200, "{listener}");
    }

    supervised.terminate();
    let stopping = supervised.receive("STOPPING=1");
    assert_eq!(
        value_of(&stopping, "STATUS="),
        "draining: closing 0 sockets"
    );
    assert!(supervised.wait().success());
}

#[test]
fn supervisor_timeout_is_extended_beyond_the_grace_period() {
    let mut supervised = SupervisedService::start(&[("VAULTCAST__SERVER__SHUTDOWN_GRACE", "3m")]);
    supervised.receive("READY=1");
    supervised.terminate();
    let stopping = supervised.receive("STOPPING=1");
    assert_eq!(value_of(&stopping, "EXTEND_TIMEOUT_USEC="), "185000000");
    assert!(supervised.wait().success());

    let grace = vaultcast::config::Config::default().server.shutdown_grace;
    assert!(UNIT.contains(UNIT_STOP_TIMEOUT) && grace < STOP_TIMEOUT);
}

#[test]
fn missing_supervisor_does_not_stop_the_service() {
    let mut supervised = SupervisedService::start(&[("NOTIFY_SOCKET", "/nowhere/at/all")]);
    while TcpStream::connect(supervised.admin).is_err() {
        assert_eq!(supervised.service.try_wait().unwrap(), None);
    }
    supervised.terminate();
    assert!(supervised.wait().success());
    let log = supervised.log();
    assert!(
        log.contains("NOTIFY_SOCKET is set, but the notification failed"),
        "{log}"
    );
}

#[test]
fn systemd_accepts_the_unit_and_its_security_rating() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("systemd-analyze is not installed: the unit is not checked");
        return;
    };
    assert!(version.status.success(), "{version:?}");

    let directory = TempDir::new().unwrap();
    let unit = directory.path().join("vaultcast.service");
    let installed_binary = "ExecStart=/usr/bin/vaultcast";
    assert!(UNIT.contains(installed_binary));
    let with_test_binary = UNIT.replace(installed_binary, &format!("ExecStart={BINARY}"));
    fs::write(&unit, with_test_binary).unwrap();
    let warnings = analyze(&["verify", "--man=no"], &unit);
    assert_eq!(warnings, "", "no warnings");
    // The threshold 15 means an exposure of 1.5 of 10. The network access that the service needs accounts for the rest.
    analyze(&["security", "--offline=true", "--threshold=15"], &unit);
}

/// Runs `systemd-analyze` on a unit, asserts that it succeeds, and returns its warnings.
fn analyze(args: &[&str], unit: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(args).arg(unit).output().unwrap();
    let warnings = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{warnings}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    warnings
}

/// Returns the rest of the line of a notification that begins with `key`.
fn value_of<'a>(message: &'a str, key: &str) -> &'a str {
    let value = message.lines().find_map(|line| line.strip_prefix(key));
    value.unwrap_or_else(|| panic!("no {key} in {message}"))
}

/// A process of the service binary, with the notification socket of its supervisor.
struct SupervisedService {
    service: Child,
    admin: SocketAddr,
    socket: UnixDatagram,
    directory: TempDir,
}

impl SupervisedService {
    fn start(settings: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(RECEIVE_TIMEOUT)).unwrap();
        let free_port = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = free_port.local_addr().unwrap();
        drop(free_port);
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

    /// Returns the next notification, which must contain `line`.
    fn receive(&self, line: &str) -> String {
        let mut buffer = [0; 4096];
        let received = self.socket.recv(&mut buffer);
        let length = received.unwrap_or_else(|error| panic!("no {line}: {error}; {}", self.log()));
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(message.lines().any(|other| other == line), "{message}");
        message
    }

    /// Sends SIGTERM, as systemd does.
    fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.service.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        self.service.wait().unwrap()
    }

    /// Returns the log of the service.
    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for SupervisedService {
    fn drop(&mut self) {
        // After a successful test the process has already ended.
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}
