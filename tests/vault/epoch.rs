//! The epoch of a restored database: clients that name the old one must resync.

use std::process::Command as ProcessCommand;

use vaultcast::{domain::Seq, vault::Attach};

use crate::{
    test_node::{OPTIONS, SubmitExt, TestNode, open_vaults},
    test_sink::TestSink,
};

#[actix_web::test]
async fn join_with_the_old_epoch_is_answered_with_resync_after_a_renewal() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.create_sources(2).await;
    let old_epoch = String::from(node.journal().epoch());

    let renewal = ProcessCommand::new(env!("CARGO_BIN_EXE_vaultcast"))
        .args(["epoch", "renew"])
        .current_dir(node.database.directory.path())
        .env("DATABASE_URL", &node.database.url)
        .output()
        .unwrap();
    assert!(renewal.status.success(), "{renewal:?}");
    let new_epoch = String::from_utf8(renewal.stdout).unwrap();
    let new_epoch = new_epoch.trim().to_owned();

    // As after a restart.
    let vaults = open_vaults(&node.database.url, OPTIONS).await;
    assert_eq!(*vaults.journal().epoch(), new_epoch);
    assert_ne!(*vaults.journal().epoch(), old_epoch);
    let mut sink = TestSink::new();
    for (epoch, resync) in [(old_epoch, true), (new_epoch, false)] {
        let (seq, epoch) = (Seq(1), Some(epoch));
        sink.attach(
            &vaults.open(vault.id()),
            "ana",
            Attach::JoinSince { seq, epoch },
        );
        let joined = sink.next_joined().await;
        assert_eq!(joined.resync, resync);
    }
}
