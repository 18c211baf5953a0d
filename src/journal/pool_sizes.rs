//! How many connections each part of the journal opens.

/// The connection of the bus between nodes.
const BUS: usize = 1;

/// The connections of the readiness check and the sweep on PostgreSQL, one for each: a slow sweep must not delay the check.
const PROBES: usize = 2;

/// The smallest number of connections that is divided. A smaller maximum leaves one connection for both probes.
const MIN_DIVIDED: usize = 4;

/// The maximum numbers of connections of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolSizes {
    pub(super) writers: usize,
    /// The connections of a writer: on PostgreSQL, the second waits for the heads that other nodes hold.
    pub(super) per_writer: u32,
    pub(super) readers: usize,
    pub(super) listings: usize,
    pub(super) probes: usize,
}

impl PoolSizes {
    /// Returns the sizes on SQLite, which has one writer.
    pub(super) fn of_sqlite(cores: usize) -> Self {
        Self {
            writers: 1,
            per_writer: 1,
            // No other node writes the file, so there is no sweep.
            probes: 1,
            ..Self::by_cores(cores)
        }
    }

    /// Returns the sizes on PostgreSQL, with at most `max` connections in all (`database.max_connections`), 6 at least; 0 for
    /// what the cores can use.
    pub(super) fn of_postgres(cores: usize, max: usize) -> Self {
        if max == 0 {
            return Self::by_cores(cores);
        }
        let probes = max.saturating_sub(BUS + MIN_DIVIDED).clamp(1, PROBES);
        let divided = max.saturating_sub(BUS + probes).max(MIN_DIVIDED);
        let writers = cores.clamp(1, (divided * 2 / 7).max(1));
        let listings = (divided / 7).clamp(1, 4);
        Self {
            writers,
            per_writer: 2,
            readers: divided - 2 * writers - listings,
            listings,
            probes,
        }
    }

    fn by_cores(cores: usize) -> Self {
        Self {
            writers: cores,
            per_writer: 2,
            readers: cores.clamp(2, 8),
            listings: cores.clamp(2, 4),
            probes: PROBES,
        }
    }

    /// Returns the size of the pool for reading.
    pub(super) fn reading(&self) -> u32 {
        u32::try_from(self.readers + self.listings + self.probes).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_a_node_do_not_exceed_the_maximum() {
        for cores in [1, 2, 8, 64] {
            for max in 6..200 {
                let sizes = PoolSizes::of_postgres(cores, max);
                let PoolSizes {
                    writers,
                    per_writer: _,
                    readers,
                    listings,
                    probes,
                } = sizes;
                assert!(
                    writers > 0 && readers > 0 && listings > 0 && probes > 0,
                    "{sizes:?}"
                );
                // The bus takes one more.
                assert_eq!(
                    2 * writers + readers + listings + probes + 1,
                    max,
                    "{sizes:?}"
                );
                assert!(writers <= cores);
            }
        }
    }

    #[test]
    fn readiness_check_and_sweep_have_a_connection_each() {
        for max in [0, 7, 30] {
            assert_eq!(PoolSizes::of_postgres(8, max).probes, 2);
        }
        assert_eq!(PoolSizes::of_postgres(8, 6).probes, 1);
    }

    #[test]
    fn maximum_of_the_default_gives_the_default() {
        assert_eq!(PoolSizes::of_postgres(8, 31), PoolSizes::of_postgres(8, 0));
        assert_eq!(PoolSizes::of_sqlite(8).writers, 1);
    }
}
