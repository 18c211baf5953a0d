//! Connections to PostgreSQL that stay open without an answer: a stopped backend, a NAT that drops an idle flow, a host that
//! vanishes. The kernel still acknowledges what is sent, so only a deadline ends the wait.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::timeout;
use vaultcast::{
    domain::{MutationAnswer, Seq},
    vault::VaultError,
};

use crate::{
    commit_proxy::ProxiedVault,
    test_node::{MAX_WAIT, SubmitExt, create_source, mutation_by, wait_until},
    test_sink::TestSink,
};

/// More than the check whether the database is usable takes, even on a busy machine.
const MAX_CHECK: Duration = Duration::from_secs(20);

/// Returns a vault with one event behind a proxy; `None` on SQLite.
async fn vault_with_event() -> Option<ProxiedVault> {
    let case = ProxiedVault::start().await?;
    case.submit().await.unwrap();
    Some(case)
}

impl ProxiedVault {
    /// Submits a mutation that must be answered in time.
    async fn submit(&self) -> Result<MutationAnswer, VaultError> {
        let submitted = self
            .vault
            .submit(mutation_by("ana", create_source("stalled")));
        let answered = timeout(MAX_WAIT, submitted).await;
        answered.expect("the mutation is answered in time")
    }

    /// Reads the journal, which must be answered in time. Returns whether it succeeded.
    async fn can_read(&self) -> bool {
        let read = self.vaults.journal().load(self.vault.id());
        let answered = timeout(MAX_WAIT, read).await;
        answered.expect("the read is answered in time").is_ok()
    }

    /// Checks whether the database can be read and written, which must be answered in time.
    async fn is_usable(&self) -> bool {
        let journal = self.vaults.journal();
        let check =
            async { journal.ping().await.is_ok() && journal.check_writable().await.is_ok() };
        let answered = timeout(MAX_CHECK, check).await;
        answered.expect("the check is answered in time")
    }
}

#[actix_web::test]
async fn writer_whose_connection_is_stalled_uses_another_one() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    for seq in 2..=3 {
        case.proxy.stall_present();
        assert_eq!(case.submit().await.unwrap().seq, Seq(seq));
    }
    assert_eq!(case.node.verified_records(case.vault.id()).await.len(), 3);
}

#[actix_web::test]
async fn reader_whose_connections_are_stalled_uses_other_ones() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    assert!(case.can_read().await);
    case.proxy.stall_present();
    assert!(case.can_read().await);
}

#[actix_web::test]
async fn commit_that_is_not_answered_is_looked_up_and_answered_correctly() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    case.proxy.hold_commit.store(true, Ordering::Release);
    assert_eq!(case.submit().await.unwrap().seq, Seq(2));
    assert_eq!(case.node.verified_records(case.vault.id()).await.len(), 2);
}

#[actix_web::test]
async fn event_of_a_commit_that_takes_too_long_is_delivered_when_it_ends() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    let mut sink = TestSink::new();
    sink.join(&case.vault, "ana").await;
    // As a commit that waits for a synchronous replica, longer than the callers.
    case.node
        .database
        .execute(
            "CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN PERFORM pg_sleep(25); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER stall AFTER INSERT ON sources \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stall()",
        )
        .await;
    let lost = case
        .vault
        .submit(mutation_by("ana", create_source("stalled")));
    let outcome = timeout(2 * MAX_WAIT, lost).await.unwrap();
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    let outcome = case.submit().await;
    assert!(
        matches!(outcome, Err(VaultError::Unavailable)),
        "{outcome:?}"
    );
    assert_eq!(sink.next_seq().await, 2);
}

#[actix_web::test]
async fn stalled_server_is_unavailable_and_not_usable_until_it_answers() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    assert!(case.is_usable().await);
    case.proxy.stall_all();
    // The last commit counts for a second.
    wait_until("the database is not usable", async || {
        !case.is_usable().await
    })
    .await;
    for _ in 0..2 {
        let outcome = case.submit().await;
        assert!(
            matches!(outcome, Err(VaultError::Unavailable)),
            "{outcome:?}"
        );
        assert!(!case.can_read().await);
        assert!(!case.is_usable().await);
    }
    case.proxy.stall_present();
    wait_until("the database is usable again", async || {
        case.is_usable().await
    })
    .await;
    assert!(case.can_read().await);
    assert_eq!(case.submit().await.unwrap().seq, Seq(2));
}

#[actix_web::test]
async fn database_that_cannot_be_written_is_not_usable() {
    let Some(case) = vault_with_event().await else {
        return;
    };
    case.node.database.set_read_only(true).await;
    wait_until("the database is not usable", async || {
        !case.is_usable().await
    })
    .await;
    assert!(case.can_read().await);
    // Nothing can be decided without the lock of the head.
    let refused = case.vault.submit_err("bob", create_source("refused")).await;
    assert!(matches!(refused, VaultError::Unavailable), "{refused}");
    assert!(!case.is_usable().await);
    case.node.database.set_read_only(false).await;
    wait_until("the database is usable again", async || {
        case.is_usable().await
    })
    .await;
}
