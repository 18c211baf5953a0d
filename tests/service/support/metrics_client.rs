//! A client of the admin listener that reads the metrics of a service.

use std::time::Duration;

use vaultcast::config::Config;

use crate::common::service::{TestService, TestUser};

/// Time limit of [`MetricsClient::wait_for`].
const METRIC_TIMEOUT: Duration = Duration::from_secs(30);

/// A service with an admin listener, and a client of that listener.
pub struct MonitoredService {
    pub service: TestService,
    pub metrics: MetricsClient,
}

impl MonitoredService {
    /// Starts a service with the default configuration.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a service with a changed configuration.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        let service = TestService::start_with(|config| {
            config.admin.bind = Some(([127, 0, 0, 1], 0).into());
            configure(config);
        })
        .await;
        let admin = service.admin_addr();
        let metrics = MetricsClient(service.anonymous().with_address(admin));
        Self { service, metrics }
    }
}

/// Reads single metrics.
pub struct MetricsClient(TestUser);

impl MetricsClient {
    /// Returns the user who sends requests to the admin listener.
    pub fn user(&self) -> &TestUser {
        &self.0
    }

    /// Returns the value of a metric; `name` includes its labels. `None` if the service does not export it.
    pub async fn value(&self, name: &str) -> Option<f64> {
        let text = self.0.metrics().await;
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// Waits until the value of a metric satisfies `condition`.
    pub async fn wait_for(&self, name: &str, condition: impl Fn(f64) -> bool) {
        let wait = async {
            while !self.value(name).await.is_some_and(&condition) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(METRIC_TIMEOUT, wait).await;
        assert!(
            waited.is_ok(),
            "{name} is still {:?}",
            self.value(name).await
        );
    }
}
