"""Tables of results: plain text for one scenario, Markdown for all."""

import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from .rounds import median, values
from .servers import ROOT
from .suite import VIOLATIONS

KEYS = {
    "fanout": ["mutations_per_s", "deliveries_per_s", "lat_ms_p50", "lat_ms_p99", "lat_ms_p999", "lat_ms_max",
               "post_ms_p50", "post_ms_p99", "server_cpu_us_per_delivery", "server_cpu_us_per_mutation", "server_cores",
               "client_cpu_us_per_delivery", "client_cores", "other_cores", "frames_per_read", "bytes_per_delivery",
               "server_rss_mib", "lost", "duplicated", "reordered", "misrouted", "mutation_errors", "disconnects", "join_resends"],
    "connect": ["connects_per_s", "connects_per_s_to_99", "join_ms_p50", "join_ms_p99", "join_ms_max", "server_cpu_us_per_connect",
                "server_cores", "client_cores", "other_cores", "join_failed", "join_resends"],
    "idle": ["joined", "rss_before_mib", "rss_joined_mib", "rss_kib_per_conn", "rss_kib_per_conn_end", "idle_cpu_percent",
             "pings", "server_cpu_us_per_ping", "other_cores", "disconnects", "join_resends"],
    "mutate": ["mutations_per_s", "post_ms_p50", "post_ms_p99", "post_ms_p999", "post_ms_max", "server_cpu_us_per_mutation",
               "server_cores", "client_cores", "other_cores", "mutation_errors"],
}


# The servers of `run --all`, in the order of the table's columns.
COLUMNS = ("vaultcast", "limit", "limit-coalesce", "socketioxide", "node", "node-group")


def format_number(value):
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer() and abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:,.0f}"


def plain_table(scenario, results):
    """Returns medians, spread and the ratio to the first server, one measure a line."""
    names = [name for name in results if results[name]]
    rows = [["", *names]]
    for key in KEYS[scenario]:
        base = median(results[names[0]], key) if names else None
        row = [key]
        for name in names:
            value, found = median(results[name], key), values(results[name], key)
            spread = f" [{format_number(min(found))}..{format_number(max(found))}]" if len(set(found)) > 1 else ""
            ratio = f" x{value / base:.2f}" if base and value is not None and name != names[0] else ""
            row.append(format_number(value) + spread + ratio)
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def markdown_report(measured, rounds):
    """Returns the report of `run --all`. `measured` contains pairs of a scenario and its results."""
    rounds = f"Medians of {rounds} alternated rounds." if rounds > 1 else "One round."
    lines = [*machine_lines(), rounds, ""]
    names = [name for name in COLUMNS if any(name in results for _, results in measured)]
    lines += [f"| scenario | measure | {' | '.join(names)} | vaultcast : peers |", "| --- " * (len(names) + 3) + "|"]
    for scenario, results in measured:
        for number, measure in enumerate(scenario.measures):
            title = "" if number else scenario.title + (" (one round)" if scenario.rounds == 1 else "")
            cells = [format_number(median(results.get(name, []), measure.key)) for name in names]
            lines.append(f"| {title} | {measure.title} | {' | '.join(cells)} | {ratios(results, measure.key)} |")
    return "\n".join([*lines, "", *violation_lines(measured, names), *load_lines(measured)]) + "\n"


def ratios(results, key):
    """Returns how vaultcast compares with each peer in one measure."""
    own = median(results.get("vaultcast", []), key)
    peers = {name: median(found, key) for name, found in results.items() if name != "vaultcast"}
    if own is None:
        return "–"
    return ", ".join(f"{own / value:.2f}x {name}" for name, value in peers.items() if value) or "–"


def violation_lines(measured, names):
    """Returns the table of lost, duplicated and reordered events, and of errors, summed up over all runs."""
    lines = [f"| in all runs | {' | '.join(names)} |", "| --- " * (len(names) + 1) + "|"]
    for key in VIOLATIONS:
        cells = []
        for name in names:
            found = [value for _, results in measured for value in values(results.get(name, []), key)]
            cells.append(format_number(sum(found)) if found else "–")
        lines.append(f"| {key.replace('_', ' ')} | {' | '.join(cells)} |")
    return [*lines, ""]


def load_lines(measured):
    """Names the scenarios that other processes disturbed."""
    lines = []
    for scenario, results in measured:
        found = [value for runs in results.values() for value in values(runs, "other_cores")]
        if found and max(found) > 0.2:
            lines.append(f"- {scenario.title}: other processes used up to {max(found):.2f} cores.")
    return ["Disturbed:", "", *lines] if lines else ["No other process used more than 0.2 cores."]


def machine_lines():
    """Describes when, where and what was measured."""
    cpu = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    cores = sum(line.startswith("processor") for line in Path("/proc/cpuinfo").read_text().splitlines())
    commit = first_line("git", "-C", str(ROOT), "log", "-1", "--format=%h of %cs")
    versions = f"{first_line('rustc', '--version')}, Node.js {first_line('node', '--version')}"
    return [f"{datetime.now(timezone.utc):%Y-%m-%d}, vaultcast {commit}. {cores} cores ({cpu}), Linux {platform.release()}, {versions}.",
            "The load generator runs on the same cores as the server."]


def first_line(*command):
    outcome = subprocess.run(command, capture_output=True, text=True)
    return (outcome.stdout.splitlines() or ["unknown"])[0]
