#!/usr/bin/env python3
"""Measures what a vault costs in memory, and how long opening one takes. SQLite, Linux, Python 3.

  benches/vaults.py live     20 vaults with 3,000 members and 1,100 further events each, without subscribers: RSS per vault
  benches/vaults.py large    vaults of 10,000 members with journals of 1,100 and of 1,000,000 events: time to open them, and memory
  benches/vaults.py many     100,000 vaults opened and retired, twice: RSS before, while they are loaded and after
  benches/vaults.py all      all of these

VAULTCAST_BIN names the binary; the default is target/dist/vaultcast. Exits with 1 if a bar of docs/performance.md is not met.
"""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import re
import socket
import sqlite3
import statistics
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "compare"))
from harness.servers import SECRET, free_port, running_server, sqlite_database  # noqa: E402

LIMITS = ["MUTATIONS_PER_SECOND", "READS_PER_SECOND"]
# The most memory of a live vault, the longest time to open a large one, and how much more memory that may take than one with a
# short journal: the bars.
MAX_LIVE_KIB = 1536
MAX_OPEN_MS = 50
MAX_JOURNAL_KIB = 1024
# How much the RSS may differ from the baseline after all vaults have retired, in KiB: what the allocator and SQLite keep.
RETIRED_TOLERANCE_KIB = 16 * 1024

failures = []


class Service:
    """A running service, its memory, and requests of its user."""

    def __init__(self, process, port, admin):
        self.pid, self.port, self.admin = process.pid, port, admin

    def rss(self):
        """Returns the resident memory in KiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def settled_rss(self, seconds=15):
        """Returns the least resident memory of some seconds: the allocator returns pages with a delay."""
        least = self.rss()
        for _ in range(seconds):
            time.sleep(1)
            least = min(least, self.rss())
        return least

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics") as answer:
            return float(re.search(rf"(?m)^vaultcast_{name} (.*)$", answer.read().decode())[1])

    def wait_until_retired(self, timeout=180):
        deadline = time.monotonic() + timeout
        while self.metric("vaults") > 0:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.metric('vaults'):.0f} vaults have not retired")
            time.sleep(0.5)

    def requests(self, requests, depth=8):
        """Sends requests on one connection, `depth` at a time, and returns the bodies of the answers."""
        bodies, buffer, authorization = [], b"", token("bench")
        with socket.create_connection(("127.0.0.1", self.port), 60) as connection:
            for first in range(0, len(requests), depth):
                part = requests[first : first + depth]
                for method, path, body in part:
                    content = json.dumps(body).encode()
                    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {authorization}\r\n"
                    head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
                    buffer += head.encode() + content
                connection.sendall(buffer)
                buffer = b""
                for _ in part:
                    while b"\r\n\r\n" not in buffer:
                        buffer += connection.recv(1 << 16)
                    head, buffer = buffer.split(b"\r\n\r\n", 1)
                    length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                    while len(buffer) < length:
                        buffer += connection.recv(1 << 16)
                    if head[9:10] != b"2":
                        raise SystemExit(f"{head.decode()}\n{buffer[:length].decode()}")
                    bodies.append(json.loads(buffer[:length]))
                    buffer = buffer[length:]
        return bodies

    def parallel_requests(self, requests, connections=16):
        """Sends requests on several connections at once."""
        parts = [requests[index::connections] for index in range(connections)]
        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            list(pool.map(self.requests, parts))


@contextmanager
def service(database_url, vault_idle, waits=True):
    admin = free_port()
    settings = [f"VAULTCAST__LIMITS__{limit}=0" for limit in LIMITS]
    settings += [f"VAULTCAST__ADMIN__BIND=127.0.0.1:{admin}", f"VAULTCAST__ACTORS__VAULT_IDLE={vault_idle}", "RUST_LOG=warn"]
    with running_server(" ".join([*settings, "{vaultcast}"]), database_url) as (process, port):
        started = Service(process, port, admin)
        # What exists once per process is not counted: threads, connections, statements, metrics.
        warm = started.requests([("POST", "/api/vaults", {"name": "warm"})] * 8)
        started.parallel_requests([("PATCH", f"/api/vaults/{vault['id']}", {"name": "w"}) for vault in warm])
        if waits:
            started.wait_until_retired()
        yield started


def token(user):
    """Returns a session token of a user."""
    def encode(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    now = int(time.time())
    claims = {"sub": user, "name": user, "iat": now - 60, "exp": now + 86400}
    signed = f"{encode(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())}"


def report(what, value, bar=None):
    met = bar is None or value <= bar
    print(f"{what}: {value:,.1f}" + ("" if bar is None else f" (bar {bar:,}{'' if met else ': NOT MET'})"), flush=True)
    if not met:
        failures.append(what)


def source(index):
    return {
        "title": f"Annual report of the working group, part {index}",
        "fileUrl": f"https://files.example.org/reports/2026/{index:08}.pdf",
        "fileKey": f"reports/{index:08}",
        "fileSize": 1234567,
    }


def live():
    vaults, members = 20, 3000
    with sqlite_database(None) as url, service(url, "120s", waits=False) as running:
        before = running.settled_rss(5)
        created = running.requests([("POST", "/api/vaults", {"name": "live"})] * vaults)
        for vault in created:
            path = f"/api/vaults/{vault['id']}"
            member = lambda index: {"userId": f"cm3k2j1p50000{index:012}", "role": "contributor"}
            running.parallel_requests([("POST", f"{path}/members", member(index)) for index in range(members)])
            running.parallel_requests([("POST", f"{path}/sources", source(index)) for index in range(1100)])
        if running.metric("vaults_retired_total") > 0:
            raise SystemExit("the machine is too slow: vaults have retired meanwhile")
        report("live vault, KiB of RSS each", (running.settled_rss(5) - before) / vaults, MAX_LIVE_KIB)


def large():
    events, members = 1_000_000, 10_000
    with sqlite_database(None) as url:
        with service(url, "1s") as running:
            vaults = [vault["id"] for vault in running.requests([("POST", "/api/vaults", {"name": "x"})] * 3)]
        [large, short, empty] = vaults
        fill(url, large, events, members)
        fill(url, short, 1_100, members)
        with service(url, "1s") as running:
            def open_vault(vault):
                start = time.monotonic()
                running.requests([("PATCH", f"/api/vaults/{vault}", {"name": "y"})])
                return 1000 * (time.monotonic() - start)

            def rounds(vault, count=7):
                """Opens the vault several times, and returns the times and the memory while it is loaded."""
                before, times = running.settled_rss(5), []
                for _ in range(count):
                    times.append(open_vault(vault))
                    running.wait_until_retired()
                open_vault(vault)
                loaded = running.rss() - before
                running.wait_until_retired()
                return times, loaded

            times, _ = rounds(empty)
            report("empty vault opened and changed, ms (median)", statistics.median(times))
            times, short_loaded = rounds(short)
            report(f"{members:,} members, 1,100 events: opened and changed, ms (first)", times[0])
            report(f"{members:,} members, 1,100 events: opened and changed, ms (median)", statistics.median(times))
            report(f"{members:,} members, 1,100 events: KiB of RSS while it is loaded", short_loaded)
            times, loaded = rounds(large)
            report(f"{members:,} members, {events:,} events: opened and changed, ms (first)", times[0], MAX_OPEN_MS)
            report(f"{members:,} members, {events:,} events: opened and changed, ms (median)", statistics.median(times), MAX_OPEN_MS)
            report(f"{members:,} members, {events:,} events: KiB of RSS while it is loaded", loaded, short_loaded + MAX_JOURNAL_KIB)


def fill(url, vault, events, members):
    """Writes events and members into the journal of a vault, as the service would have."""
    database = sqlite3.connect(url.removeprefix("sqlite://"))
    now = int(time.time() * 1000)
    payload = json.dumps({"source": source(1), "actor": {"userId": "bench", "userName": "bench", "role": "owner"}, "timestamp": now})

    def member(index):
        return (vault, f"cm3k2j1p50000{index:012}", f"{vault[:12]}{vault[-4:]}{index:08}", "contributor", now, now)

    with database:
        [(head,)] = database.execute("SELECT head FROM vault_heads WHERE vault_id = ?", (vault,))
        rows = ((vault, seq, "source:created", payload, now) for seq in range(head + 1, head + 1 + events))
        database.executemany("INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) VALUES (?, ?, ?, ?, ?)", rows)
        database.executemany(
            "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
            map(member, range(members)))
        database.execute("UPDATE vault_heads SET head = ? WHERE vault_id = ?", (head + events, vault))
    database.close()


def many():
    vaults = 100_000
    with sqlite_database(None) as url, service(url, "30s") as running:
        for _ in range(4):
            running.parallel_requests([("POST", "/api/vaults", {"name": "many"})] * (vaults // 4))
        database = sqlite3.connect(url.removeprefix("sqlite://"))
        ids = [row[0] for row in database.execute("SELECT id FROM vaults LIMIT ?", (vaults,))]
        database.close()
        before = running.settled_rss()
        report("no vault loaded, KiB of RSS", before)
        for turn in (1, 2):
            opened = running.metric("vaults_opened_total")
            start = time.monotonic()
            running.parallel_requests([("PATCH", f"/api/vaults/{vault}", {"name": f"turn {turn}"}) for vault in ids])
            report(f"turn {turn}: vaults opened and changed per second", len(ids) / (time.monotonic() - start))
            loaded = running.metric("vaults")
            report(f"turn {turn}: vaults opened", running.metric("vaults_opened_total") - opened)
            if loaded:
                report(f"turn {turn}: KiB of RSS for each of the {loaded:,.0f} loaded vaults", (running.rss() - before) / loaded)
            running.wait_until_retired()
            report(f"turn {turn}: all retired, KiB of RSS", running.settled_rss(30), before + RETIRED_TOLERANCE_KIB)


if __name__ == "__main__":
    scenarios = {"live": [live], "large": [large], "many": [many], "all": [live, large, many]}
    if len(sys.argv) != 2 or sys.argv[1] not in scenarios:
        raise SystemExit(__doc__)
    for scenario in scenarios[sys.argv[1]]:
        scenario()
    sys.exit(1 if failures else 0)
