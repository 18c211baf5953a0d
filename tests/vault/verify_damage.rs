//! `verify` finds and names each of many kinds of damage.

use vaultcast::verify::VaultSummary;

use crate::{
    test_node::TestNode,
    verify::{assert_line, verify_all, write_history},
};

/// The tables that the test damages.
const TABLES: [&str; 7] = [
    "vaults",
    "vault_heads",
    "vault_users",
    "sources",
    "vault_events",
    "idempotency_keys",
    "epoch",
];

/// Damage to the database and the report that it must cause. `{v}` is the vault's id, `{s}` the id of its source, and
/// `{of}` a condition for the vault's rows.
struct Damage {
    sql: &'static str,
    /// Parts of the report.
    expected: &'static [&'static str],
}

const DAMAGES: &[Damage] = &[
    // The journal as a whole.
    Damage {
        sql: "DELETE FROM vault_events WHERE {of} AND seq = 4",
        expected: &["event 4 is missing; the next event is 5"],
    },
    Damage {
        sql: "DELETE FROM vault_events WHERE {of} AND seq = 11",
        expected: &["the head is 11, but the journal ends at 10"],
    },
    Damage {
        sql: "DELETE FROM vault_events WHERE {of}",
        expected: &["the head is 11, but there are no events; the newest event is never trimmed"],
    },
    Damage {
        sql: "UPDATE vault_events SET seq = 12 WHERE {of} AND seq = 11",
        expected: &[
            "event 11 is missing; the next event is 12",
            "event 12 has seq 11, expected 12",
        ],
    },
    Damage {
        sql: "UPDATE vault_events SET seq = 0 WHERE {of} AND seq = 1",
        expected: &["an event has seq 0, but the first seq is 1"],
    },
    Damage {
        sql: "INSERT INTO vault_events SELECT vault_id, 12, kind, payload, created_at FROM vault_events WHERE {of} AND seq = 8",
        expected: &[
            "event 12 has seq 8, expected 12",
            "event 12 (source:created) adds source",
            "the head is 11, but the journal continues to 12",
        ],
    },
    Damage {
        sql: "UPDATE vault_heads SET head = 12 WHERE {of}",
        expected: &["the head is 12, but the journal ends at 11"],
    },
    Damage {
        sql: "UPDATE vault_heads SET head = 10 WHERE {of}",
        expected: &["the head is 10, but the journal continues to 11"],
    },
    Damage {
        sql: "DELETE FROM vault_heads WHERE {of}",
        expected: &["no row in vault_heads"],
    },
    // The content of events.
    Damage {
        sql: "UPDATE vault_events SET payload = '{' WHERE {of} AND seq = 8",
        expected: &["event 8 is not a valid source:created: EOF"],
    },
    Damage {
        sql: "UPDATE vault_events SET kind = 'source:moved' WHERE {of} AND seq = 8",
        expected: &["event 8 has the unknown kind \"source:moved\""],
    },
    Damage {
        sql: "UPDATE vault_events SET kind = 'source:updated' WHERE {of} AND seq = 8",
        expected: &["event 8 is not a valid source:updated: missing field source.updatedAt"],
    },
    Damage {
        sql: "UPDATE vault_events SET created_at = 0 WHERE {of} AND seq = 7",
        expected: &[
            "event 7 has timestamp 20",
            "expected 1970-01-01T00:00:00.000Z",
            "event 7 has vault.updatedAt 20",
        ],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '\"first\"', '\"forged\"') WHERE {of} AND seq = 2",
        expected: &[
            "the answer to /api/vaults/{v}/sources for user ana has title first, expected forged",
        ],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '\"second\"', '\"forged\"') WHERE {of} AND seq = 4",
        expected: &["source {s} has title second, expected forged"],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '{v}', 'cother00001') WHERE {of} AND seq = 5",
        expected: &["event 5 has vaultId cother00001, expected {v}"],
    },
    // Events compared with the events before them.
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '\"ben\"', '\"eve\"') WHERE {of} AND seq = 3",
        expected: &["event 3 has the actor eve, but this user is not a member at this seq"],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, 'contributor', 'owner') WHERE {of} AND seq = 4",
        expected: &["event 4 gives the role of user ben as owner, expected contributor"],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(replace(payload, '\"owner\"', '\"viewer\"'), '\"ana\"', '\"ben\"') WHERE {of} AND seq = 8",
        expected: &[
            "event 8 (source:created) has the actor ben, whose role viewer does not permit it",
        ],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '{s}', 'cother00001') WHERE {of} AND seq = 4",
        expected: &[
            "event 4 (source:updated) refers to source cother00001, which does not exist at this seq",
        ],
    },
    Damage {
        sql: "UPDATE vault_events SET payload = replace(payload, '\"cy\"', '\"ben\"') WHERE {of} AND seq = 9",
        expected: &["event 9 (member:added) adds member ben, which already exists at this seq"],
    },
    // Rows.
    Damage {
        sql: "UPDATE sources SET title = 'forged' WHERE id = '{s}'",
        expected: &["source {s} has title forged, expected second"],
    },
    Damage {
        sql: "UPDATE sources SET file_key = NULL WHERE id = '{s}'",
        expected: &["source {s} has file_key none, expected key"],
    },
    Damage {
        sql: "UPDATE sources SET file_size = -1 WHERE id = '{s}'",
        expected: &["source {s} has file_size -1, expected none"],
    },
    Damage {
        sql: "UPDATE sources SET seq = 2 WHERE id = '{s}'",
        expected: &["source {s} has seq 2, expected 4"],
    },
    Damage {
        sql: "UPDATE sources SET created_seq = 3 WHERE id = '{s}'",
        expected: &["source {s} has created_seq 3, expected 2"],
    },
    Damage {
        sql: "UPDATE sources SET created_at = 0 WHERE id = '{s}'",
        expected: &["source {s} has created_at 1970-01-01T00:00:00.000Z, expected 20"],
    },
    Damage {
        sql: "UPDATE sources SET vault_id = 'cother00001' WHERE id = '{s}'",
        expected: &[
            "source {s} has no row, but exists in the journal since event 4",
            "vault cother00001: sources has rows of this vault, but vaults has none",
        ],
    },
    Damage {
        sql: "DELETE FROM sources WHERE id = '{s}'",
        expected: &["source {s} has no row, but exists in the journal since event 4"],
    },
    Damage {
        sql: "INSERT INTO sources SELECT 'cother00001', vault_id, title, file_url, file_key, file_size, mime_type, seq, 5, created_at, updated_at \
  FROM sources WHERE id = '{s}'",
        expected: &["source cother00001 has a row, but does not exist in the journal"],
    },
    Damage {
        sql: "UPDATE vault_users SET role = 'owner' WHERE {of} AND user_id = 'ben'",
        expected: &["member ben has role owner, expected viewer"],
    },
    Damage {
        sql: "UPDATE vault_users SET created_at = 0 WHERE {of} AND user_id = 'ana'",
        expected: &["member ana has created_at 1970"],
    },
    Damage {
        sql: "DELETE FROM vault_users WHERE {of} AND user_id = 'ana'",
        expected: &["member ana has no row, but exists in the journal since event 0"],
    },
    Damage {
        sql: "INSERT INTO vault_users SELECT vault_id, 'eve', 'cother00001', role, created_at, updated_at FROM vault_users WHERE {of} AND user_id = 'ben'",
        expected: &["member eve has a row, but does not exist in the journal"],
    },
    Damage {
        sql: "UPDATE vault_users SET role = 'viewer' WHERE {of}",
        expected: &["the vault has no owner"],
    },
    Damage {
        sql: "UPDATE vaults SET name = 'forged' WHERE id = '{v}'",
        expected: &["the vault has name forged, expected Chemistry"],
    },
    Damage {
        sql: "UPDATE vaults SET updated_at = 0 WHERE id = '{v}'",
        expected: &["the vault has updated_at 1970-01-01T00:00:00.000Z, expected 20"],
    },
    Damage {
        sql: "UPDATE vaults SET deleted_at = 0 WHERE id = '{v}'",
        expected: &["the vault has deleted_at 1970-01-01T00:00:00.000Z, expected none"],
    },
    Damage {
        sql: "DELETE FROM vaults WHERE id = '{v}'",
        expected: &[
            "vault {v}: vault_heads has rows of this vault, but vaults has none",
            "vault {v}: vault_events has rows",
        ],
    },
    // Rows that belong to no vault.
    Damage {
        sql: "DELETE FROM epoch",
        expected: &["epoch has 0 rows, expected one"],
    },
    Damage {
        sql: "UPDATE idempotency_keys SET seq = 99 WHERE path LIKE '%{v}%'",
        expected: &["has seq 99, expected at most the head 11"],
    },
    Damage {
        sql: "UPDATE idempotency_keys SET seq = 1 WHERE path LIKE '%{v}%'",
        expected: &["has event member:added, expected source:created"],
    },
    Damage {
        sql: "UPDATE idempotency_keys SET answer = '{}' WHERE path LIKE '%{v}%'",
        expected: &["for user ana cannot be read"],
    },
];

#[actix_web::test]
async fn each_kind_of_damage_is_found_and_named() {
    let node = TestNode::new().await;
    let (vault, bystander) = (node.create_vault().await, node.create_vault().await);
    write_history(&bystander).await;
    let source = write_history(&vault).await;
    let (report, summaries) = verify_all(&node).await;
    assert_eq!(report.findings.first(), []);
    let line = "\"Chemistry\": events 1 to 11, head 11, 3 members, 2 sources: verified from the first event";
    let lines: Vec<_> = summaries.iter().map(VaultSummary::to_string).collect();
    assert_line(&lines, vault.id(), line);
    for table in TABLES {
        let copy = format!("CREATE TABLE copy_of_{table} AS SELECT * FROM {table}");
        node.database.execute(&copy).await;
    }

    let of = format!("vault_id = '{}'", vault.id());
    let (vault, source) = (vault.id().as_str(), source.as_str());
    let fill_in = |text: &str| {
        let text = text.replace("{of}", &of).replace("{v}", vault);
        text.replace("{s}", source)
    };
    for Damage {
        sql: damage,
        expected,
    } in DAMAGES
    {
        node.database.execute(&fill_in(damage)).await;
        let (report, _) = verify_all(&node).await;
        let message = report.findings.to_string();
        for part in *expected {
            assert!(
                message.contains(&fill_in(part)),
                "{damage}\n{message}\nis missing: {part}"
            );
        }
        let other_vault = format!("vault {}", bystander.id());
        assert!(!message.contains(&other_vault), "{damage}\n{message}");
        for table in TABLES {
            let restore =
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM copy_of_{table}");
            node.database.execute(&restore).await;
        }
        let (report, _) = verify_all(&node).await;
        assert_eq!(report.findings.first(), [], "not restored after {damage}");
    }
}
