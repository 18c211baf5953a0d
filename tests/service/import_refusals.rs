//! What `vaultcast import` refuses: rows, tables that are not as configured, and databases in use.

use vaultcast::server::startup::DatabaseLock;

use crate::{
    common::service::{TestService, source},
    support::importing_application::{ImportingApplication, VAULT},
};

#[actix_web::test]
async fn refused_rows_are_counted_and_the_first_ten_named() {
    let importing = ImportingApplication::create().await;
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    importing.insert_vault(uuid, "Chemistry").await;
    importing
        .insert_member("cmember000000000000000003", uuid, "ana", "OWNER")
        .await;
    importing
        .insert_source("csource000000000000000003", uuid, "Acids", 1)
        .await;
    importing
        .insert_vault("cvault0000000000000000002", "Nobody''s")
        .await;
    importing
        .insert_member(
            "cmember000000000000000004",
            "cvault0000000000000000002",
            "ben",
            "VIEWER",
        )
        .await;
    for n in 10..22 {
        importing
            .insert_source(&format!("tz4a98xxat96iws9zmbrgj{n}"), VAULT, "Cuid2", 1)
            .await;
    }
    let title = "x".repeat(501);
    importing
        .insert_source("csource000000000000000004", VAULT, &title, 1)
        .await;

    let outcome = importing.import(&[]);
    let lines = outcome.assert_status(3);
    let not_a_cuid = "id is not a cuid (c and 8 to 31 lower case letters or digits)";
    let expected = [
        "users: 2 copied, 0 there already, 0 refused",
        "vaults: 1 copied, 0 there already, 2 refused",
        "members: 2 copied, 0 there already, 2 refused",
        "sources: 2 copied, 0 there already, 14 refused",
        &format!("refused 1 of the vaults: {not_a_cuid}"),
        &format!("  {uuid}"),
        "refused 1 of the vaults: the vault has no owner among the members that can be taken",
        "  cvault0000000000000000002",
        "refused 2 of the members: the vault was refused",
        "  cmember000000000000000003",
        "  cmember000000000000000004",
        &format!("refused 12 of the sources: {not_a_cuid}"),
        &format!("  tz4a98xxat96iws9zmbrgj10 (vault {VAULT})"),
    ];
    assert_eq!(lines[..expected.len()], expected);
    assert!(lines.contains(&"  and 2 more"));
    assert!(
        lines.contains(
            &"refused 1 of the sources: title must be 1 to 500 characters after trimming"
        )
    );
    assert!(
        outcome.stderr.contains("18 rows were refused"),
        "{}",
        outcome.stderr
    );
    importing.assert_verified().await;
}

#[actix_web::test]
async fn rows_of_a_vault_that_users_have_changed_are_left_out() {
    let importing = ImportingApplication::create().await;
    importing.import(&[]).assert_status(0);
    let ImportingApplication {
        application,
        service: database,
    } = importing;
    let (url, directory) = (database.url.clone(), database.directory);
    let kept = |url: String| crate::common::database::TestDatabase {
        url,
        directory: tempfile::tempdir().unwrap(),
    };
    let service = TestService::start_on(kept(url.clone()), |_| {}).await;
    let ana = service.user("ana");
    ana.delete("/api/sources/csource000000000000000001")
        .await
        .assert_status(204);
    ana.post(&format!("/api/vaults/{VAULT}/sources"), source("Third"))
        .await
        .assert_status(201);
    service.stop().await;

    let mut database = kept(url);
    database.directory = directory;
    let importing = ImportingApplication {
        application,
        service: database,
    };
    let outcome = importing.import(&[]);
    let lines = outcome.assert_status(3);
    assert_eq!(lines[3], "sources: 0 copied, 1 there already, 1 refused");
    assert_eq!(
        lines[4],
        "refused 1 of the sources: new since the last import, but users have changed the vault through the service"
    );
    assert_eq!(
        lines[5],
        format!("  csource000000000000000001 (vault {VAULT})")
    );
    importing.assert_verified().await;
}

#[actix_web::test]
async fn missing_table_and_column_are_named_at_once() {
    let importing = ImportingApplication::create().await;
    importing
        .application
        .execute(r#"ALTER TABLE "Source" RENAME COLUMN "fileUrl" TO "url""#)
        .await;
    importing
        .application
        .execute(r#"ALTER TABLE "Source" RENAME COLUMN "title" TO "label""#)
        .await;
    importing
        .application
        .execute(r#"ALTER TABLE "VaultUser" RENAME TO "vault_users_of_app""#)
        .await;
    let outcome = importing.import(&[]);
    outcome.assert_status(1);
    for missing in [
        "there is no table VaultUser (import.member_table)",
        "the table Source has no column title (import.source_columns)",
        "the table Source has no column fileUrl (import.source_columns)",
    ] {
        assert!(outcome.stderr.contains(missing), "{}", outcome.stderr);
    }
    assert_eq!(importing.count("vaults").await, 0);
}

#[actix_web::test]
async fn sqlite_file_in_use_is_refused() {
    let importing = ImportingApplication::create().await;
    if importing.service.is_postgres() {
        return;
    }
    let url = importing.service.url.parse().unwrap();
    let _lock = DatabaseLock::acquire(&url).unwrap();
    let outcome = importing.import(&[]);
    outcome.assert_status(1);
    assert!(
        outcome.stderr.contains("is in use by another vaultcast"),
        "{}",
        outcome.stderr
    );
}
