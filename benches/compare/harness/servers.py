"""Starts and stops the measured servers. Each run gets a new process, port and database."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
SECRET = "bench-secret-bench-secret-bench-secret"

# Seconds until a server listens, and until it has stopped.
START_TIMEOUT = 20
STOP_TIMEOUT = 10


def vaultcast_binary():
    """Returns the binary that is shipped, or the one that VAULTCAST_BIN names."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return os.environ.get("VAULTCAST_BIN") or str((ROOT / target / "dist" / "vaultcast").resolve())


def parse_server(text):
    """Returns the name and the command of `NAME`, a key of servers.json, or of `NAME=COMMAND`."""
    known = json.loads((HERE / "servers.json").read_text())
    name, _, command = text.partition("=")
    if not command and name not in known:
        raise SystemExit(f"unknown server {name}; known: {', '.join(known)}")
    return name, command or known[name]


@contextmanager
def sqlite_database(directory):
    """Yields the URL of a new SQLite file, and deletes it afterwards."""
    path = tempfile.mkdtemp(prefix="compare-", dir=directory)
    try:
        yield f"sqlite://{path}/bench.db"
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def postgres_database(server_url):
    """Yields the URL of a new database on this PostgreSQL server, and drops it afterwards. Needs psql."""
    name = f"compare_{uuid.uuid4().hex}"
    subprocess.run(["psql", server_url, "-qc", f"CREATE DATABASE {name}"], check=True)
    try:
        yield f"{server_url.rsplit('/', 1)[0]}/{name}"
    finally:
        subprocess.run(["psql", server_url, "-qc", f"DROP DATABASE {name} WITH (FORCE)"], check=True)


@contextmanager
def running_server(command, database_url):
    """Yields the process and the port of a new server, and stops it afterwards."""
    port = free_port()
    words = shlex.split(command.replace("{port}", str(port)).replace("{vaultcast}", vaultcast_binary()))
    environment = dict(os.environ, PORT=str(port), DATABASE_URL=database_url, NEXTAUTH_SECRET=SECRET, NODE_ENV="production")
    while re.match(r"^[A-Z_][A-Z0-9_]*=", words[0]):
        key, value = words.pop(0).split("=", 1)
        environment[key] = value
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(words, cwd=HERE, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for_listener(process, port)
            yield process, port
        except (RuntimeError, subprocess.SubprocessError):
            log.seek(0)
            print(log.read()[-2000:])
            raise
        finally:
            stop(process)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for_listener(process, port):
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                # Work at the start of the process is not part of the measurement.
                time.sleep(0.3)
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server does not listen on port {port}")


def stop(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
