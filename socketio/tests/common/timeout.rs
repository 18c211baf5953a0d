//! The timeout of the tests. It only expires when a test fails.

use std::time::Duration;

pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Awaits `future` and panics if it takes longer than [`TIMEOUT`].
pub async fn within_timeout<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .expect("the future completes in time")
}
