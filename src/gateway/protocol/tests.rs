//! Parsing of client events.

use serde_json::{Value, json};

use crate::{contract::problem::ErrorCode, domain::Seq, vault::Attach};

use super::{ClientRequest, named_vault};

fn error_code(event: &str, args: &[Value]) -> ErrorCode {
    ClientRequest::parse(event, args).unwrap_err().code
}

#[test]
fn a_join_names_its_vault_by_an_id_or_an_object() {
    let id = "clx123abc456def";
    let plain = ClientRequest::parse("vault:join", &[json!(id)]).unwrap();
    assert!(matches!(
        plain,
        ClientRequest::Join {
            attach: Attach::Join,
            ..
        }
    ));
    let since = json!({ "vaultId": id, "since": 7, "epoch": "e" });
    let ClientRequest::Join { attach, .. } = ClientRequest::parse("vault:join", &[since]).unwrap()
    else {
        panic!("expected a join");
    };
    let (seq, epoch) = (Seq(7), Some("e".to_owned()));
    assert_eq!(attach, Attach::JoinSince { seq, epoch });
    let negative = json!({ "vaultId": id, "since": -1 });
    assert_eq!(
        error_code("vault:join", &[negative]),
        ErrorCode::ValidationFailed
    );
}

#[test]
fn a_long_epoch_is_unknown_and_is_not_kept() {
    let epoch_of = |epoch: &str| {
        let join = json!({ "vaultId": "clx123abc456def", "since": 7, "epoch": epoch });
        match ClientRequest::parse("vault:join", &[join]).unwrap() {
            ClientRequest::Join {
                attach: Attach::JoinSince { epoch, .. },
                ..
            } => epoch,
            other => panic!("expected a join: {other:?}"),
        }
    };
    let known = "e".repeat(64);
    assert_eq!(epoch_of(&known), Some(known));
    assert_eq!(epoch_of(&"e".repeat(900_000)), Some(String::new()));
}

#[test]
fn a_missing_or_malformed_vault_id_is_an_invalid_vault_id() {
    for args in [
        vec![],
        vec![json!(7)],
        vec![json!("nope")],
        vec![json!({})],
        vec![json!(null)],
    ] {
        assert_eq!(
            error_code("vault:join", &args),
            ErrorCode::InvalidVaultId,
            "{args:?}"
        );
        assert_eq!(
            error_code("vault:leave", &args),
            ErrorCode::InvalidVaultId,
            "{args:?}"
        );
    }
    let without = json!({ "source": { "title": "T" } });
    assert_eq!(
        error_code("source:created", &[without]),
        ErrorCode::InvalidVaultId
    );
}

#[test]
fn other_malformed_arguments_and_unknown_events_fail_validation() {
    assert_eq!(
        error_code("source:created", &[]),
        ErrorCode::ValidationFailed
    );
    assert_eq!(
        error_code("source:updated", &[json!({ "source": {} })]),
        ErrorCode::ValidationFailed
    );
    assert_eq!(
        error_code("source:deleted", &[json!({ "sourceId": 1 })]),
        ErrorCode::ValidationFailed
    );
    assert_eq!(
        error_code("vault:dance", &[json!("x")]),
        ErrorCode::ValidationFailed
    );
}

#[test]
fn the_source_may_contain_the_vault_id_of_a_new_source() {
    let payload = json!({ "source": {
        "vaultId": "clx123abc456def", "title": "T", "fileUrl": "https://example.com/a"
    } });
    assert!(ClientRequest::parse("source:created", std::slice::from_ref(&payload)).is_ok());
    assert_eq!(named_vault(&[payload]).unwrap().as_str(), "clx123abc456def");
}
