"""Alternated rounds: each round runs a scenario once against each server, in turn."""

import json
import statistics
import subprocess
import sys
import time

from .servers import HERE, SECRET, postgres_database, running_server, sqlite_database

LOAD_GENERATOR = HERE / "target" / "release" / "loadgen"
RUN_TIMEOUT = 1200


class Rounds:
    """Runs scenarios and returns their results.

    `count`: rounds; `pause`: seconds between two runs; `postgres`: URL of a PostgreSQL server instead of SQLite files;
    `directory`: where SQLite files are created.
    """

    def __init__(self, count, pause=1.0, postgres=None, directory=None):
        self.count = count
        self.pause = pause
        self.postgres = postgres
        self.directory = directory

    def run(self, scenario, arguments, servers):
        """Returns the load generator's results of each server, by name. A failed run is reported and has no result."""
        results = {name: [] for name, _ in servers}
        for number in range(1, self.count + 1):
            for name, command in servers:
                try:
                    result = self.run_once(scenario, arguments, name, command)
                    results[name].append(result)
                    report(f"{name}, round {number}: {summary(result)}")
                except (RuntimeError, subprocess.SubprocessError) as error:
                    report(f"{name}, round {number} failed: {error}")
                time.sleep(self.pause)
        return results

    def run_once(self, scenario, arguments, name, command):
        database = postgres_database(self.postgres) if self.postgres else sqlite_database(self.directory)
        with database as url, running_server(command, url) as (process, port):
            words = [LOAD_GENERATOR, scenario, "--url", f"http://127.0.0.1:{port}", "--pid", str(process.pid)]
            words += ["--secret", SECRET, "--label", name, "--json", *arguments]
            outcome = subprocess.run(words, capture_output=True, text=True, timeout=RUN_TIMEOUT)
        if outcome.stderr.strip():
            report(outcome.stderr.strip())
        if outcome.returncode:
            raise RuntimeError(f"the load generator ended with status {outcome.returncode}")
        return json.loads(outcome.stdout)


def values(results, key):
    """Returns the values of one measure in all rounds that have it."""
    return [result[key] for result in results if result.get(key) is not None]


def median(results, key):
    """Returns the median of one measure; `None` if no round has it."""
    found = values(results, key)
    return statistics.median(found) if found else None


def summary(result):
    """Returns the most important measures of one run."""
    keys = ("deliveries_per_s", "connects_per_s_to_99", "mutations_per_s", "rss_kib_per_conn",
            "server_cpu_us_per_delivery", "server_cpu_us_per_connect", "other_cores",
            "first_error", "first_mutation_error")
    return ", ".join(f"{key}={result[key]}" for key in keys if result.get(key) is not None)


def report(line):
    print(f"  {line}", file=sys.stderr, flush=True)
