//! Connects this node to the others on its database.

use rand::random;
use rustix::system::uname;

use super::{ServerError, metrics::ServiceMetrics};
use crate::{
    cluster::{BusOptions, NodeLink, NodeLinkParams},
    config::{BusChoice, Config},
    journal::DatabaseSharing,
    vault::Vaults,
};

/// Returns the name of this node for operators: `cluster.node`, or the name of the host and a random suffix.
pub(super) fn node_name(config: &Config) -> String {
    match &config.cluster.node {
        Some(name) => name.to_string(),
        None => {
            let system = uname();
            let host = system.nodename().to_string_lossy();
            format!("{host}-{:04x}", random::<u16>())
        }
    }
}

/// Connects to the other nodes, if the database may have others.
pub(super) fn connect(
    config: &Config,
    vaults: &Vaults,
    metrics: &ServiceMetrics,
) -> Result<Option<NodeLink>, ServerError> {
    match vaults.journal().sharing() {
        DatabaseSharing::ThisProcess => Ok(None),
        DatabaseSharing::SeveralProcesses => Ok(Some(NodeLink::start(NodeLinkParams {
            vaults: vaults.clone(),
            bus: bus_options(config),
            metrics: metrics.cluster.clone(),
        })?)),
    }
}

/// Returns the bus on a database that several processes share.
fn bus_options(config: &Config) -> BusOptions {
    let database = &config.database.url;
    match &config.cluster.bus {
        BusChoice::Auto | BusChoice::Postgres => BusOptions::Postgres {
            url: database.driver_url().to_owned(),
            schema: database.schema().map(str::to_owned),
        },
        BusChoice::Redis(url) => BusOptions::Redis {
            url: url.expose().to_owned(),
        },
        BusChoice::Off => BusOptions::Off,
    }
}
