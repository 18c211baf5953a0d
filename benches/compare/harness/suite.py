"""The scenarios of `run --all` and the measures that its table shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A row of the table: a key of the load generator's result, and what the row is called."""
    key: str
    title: str


@dataclass(frozen=True)
class Scenario:
    """A run of the load generator against several servers. `rounds` replaces the number of rounds."""
    title: str
    command: str
    arguments: tuple
    peers: tuple
    measures: tuple
    rounds: int | None = None


FANOUT = "fanout"
DELIVERY_CPU = Measure("server_cpu_us_per_delivery", "server CPU µs per delivery")
DELIVERIES = Measure("deliveries_per_s", "deliveries per second")
MUTATIONS = Measure("mutations_per_s", "mutations per second")
MUTATION_CPU = Measure("server_cpu_us_per_mutation", "server CPU µs per mutation")
LATENCY = (Measure("lat_ms_p50", "latency p50, ms"), Measure("lat_ms_p99", "latency p99, ms"))
MUTATION_LATENCY = (Measure("post_ms_p50", "latency p50, ms"), Measure("post_ms_p99", "latency p99, ms"))

FANOUT_PEERS = ("limit", "limit-coalesce", "socketioxide", "node")
WRITING_PEERS = ("socketioxide", "node", "node-group")

SCENARIOS = (
    Scenario("1 vault, 1,000 subscribers, 30 events per second", FANOUT,
             ("--vaults", "1", "--subs", "1000", "--rate", "30"), ("limit", "socketioxide", "node"),
             (DELIVERY_CPU, *LATENCY)),
    Scenario("1 vault, 1,000 subscribers, closed loop", FANOUT,
             ("--vaults", "1", "--subs", "1000"), FANOUT_PEERS, (DELIVERIES, DELIVERY_CPU)),
    Scenario("1 vault, 5,000 subscribers, closed loop", FANOUT,
             ("--vaults", "1", "--subs", "5000"), FANOUT_PEERS, (DELIVERIES, DELIVERY_CPU)),
    Scenario("50 vaults, 20 subscribers each, closed loop", FANOUT,
             ("--vaults", "50", "--subs", "20"), FANOUT_PEERS, (MUTATIONS, DELIVERY_CPU)),
    Scenario("5,000 connections, each joins a vault", "connect",
             ("--conns", "5000"), ("limit", "socketioxide", "node"),
             (Measure("connects_per_s_to_99", "connections per second, until 99 % have joined"),
              Measure("server_cpu_us_per_connect", "server CPU µs per connection"),
              Measure("join_ms_p99", "connect and join p99, ms"), Measure("join_resends", "joins that were sent again"))),
    Scenario("64 vaults, 64 writers", "mutate",
             ("--vaults", "64", "--writers", "64"), WRITING_PEERS, (MUTATIONS, MUTATION_CPU, *MUTATION_LATENCY)),
    Scenario("1 vault, 8 writers", "mutate",
             ("--vaults", "1", "--writers", "8"), WRITING_PEERS, (MUTATIONS, MUTATION_CPU, *MUTATION_LATENCY)),
    Scenario("10,000 joined connections that are idle", "idle",
             ("--conns", "10000"), ("limit", "socketioxide", "node"),
             (Measure("rss_kib_per_conn", "KiB of memory (RSS) per connection"),
              Measure("idle_cpu_percent", "server CPU, % of a core")), rounds=1),
)

# On PostgreSQL node groups nothing, and the other peers know SQLite only.
POSTGRES_SCENARIOS = tuple(
    Scenario(f"{scenario.title}, on PostgreSQL", scenario.command, scenario.arguments, ("node",), scenario.measures)
    for scenario in SCENARIOS if scenario.command == "mutate"
)

# What loadgen counts against the promises. Each must be 0 for vaultcast.
VIOLATIONS = ("lost", "duplicated", "reordered", "misrouted", "mutation_errors", "disconnects", "join_failed")
