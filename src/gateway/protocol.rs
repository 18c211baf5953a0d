//! The contract's words: what clients ask by which event, and what they are told. Nobody else knows them.

use serde_json::{Map, Value, json};

use crate::{
    domain::{
        Command, Mutation, NewSource, Principal, Seq, SourceId, SourcePatch, VaultId,
        idempotency::IdempotencyKey,
    },
    forms,
    journal::Record,
    problem::Problem,
    socketio::Frame,
    vault::{Attach, Joined},
};

/// The contract's events are all in the default namespace.
pub const NAMESPACE: &str = "/";

/// What a client asks for.
#[derive(Debug)]
pub(super) enum Request {
    Join {
        vault: VaultId,
        attach: Attach,
    },
    Leave {
        vault: VaultId,
    },
    Create {
        vault: VaultId,
        source: NewSource,
        key: Option<IdempotencyKey>,
    },
    Update {
        source: SourceId,
        patch: SourcePatch,
    },
    Delete {
        source: SourceId,
    },
}

impl Request {
    /// Reads an event of a client.
    ///
    /// # Errors
    /// `INVALID_VAULT_ID` or `VALIDATION_FAILED`.
    pub(super) fn parse(event: &str, args: &[Value]) -> Result<Self, Problem> {
        let arg = args.first();
        match event {
            "vault:join" => {
                let vault = vault_in(arg)?;
                let attach = attach(arg)?;
                Ok(Self::Join { vault, attach })
            }
            "vault:leave" => {
                let vault = vault_in(arg)?;
                Ok(Self::Leave { vault })
            }
            "source:created" => {
                let payload = object(arg, "payload")?;
                let source = object(payload.get("source"), "source");
                let named = payload
                    .get("vaultId")
                    .or_else(|| source.as_ref().ok()?.get("vaultId"));
                let vault = forms::vault_id(named)?;
                let source = forms::new_source(source?)?;
                let key = key(payload.get("key"), &vault, &source)?;
                Ok(Self::Create { vault, source, key })
            }
            "source:updated" => {
                let fields = object(object(arg, "payload")?.get("source"), "source")?;
                let source = source_id(fields.get("id"), "id")?;
                let patch = forms::source_patch(fields)?;
                Ok(Self::Update { source, patch })
            }
            "source:deleted" => {
                let source = source_id(object(arg, "payload")?.get("sourceId"), "sourceId")?;
                Ok(Self::Delete { source })
            }
            _ => Err(Problem::invalid_field("event", "is unknown")),
        }
    }
}

/// A mutation that a client's request comes to. Who did it is told by his session, never by what he sends.
pub(super) fn mutation(by: &Principal, command: Command, key: Option<IdempotencyKey>) -> Mutation {
    Mutation {
        by: by.clone(),
        command,
        key,
    }
}

/// The vault that an event's arguments name, where they name one: it is told with the error.
pub(super) fn vault_named(args: &[Value]) -> Option<VaultId> {
    let arg = args.first()?;
    let nested = || {
        arg.get("vaultId")
            .or_else(|| arg.get("source")?.get("vaultId"))
    };
    VaultId::parse(arg.as_str().or_else(|| nested()?.as_str())?)
}

/// What went wrong, as the `error` event and a negative acknowledgement tell it.
pub(super) fn error(problem: Problem, event: &str, vault: Option<&VaultId>) -> Value {
    let mut details = Map::new();
    details.insert("event".to_owned(), event.into());
    if let Some(vault) = vault {
        details.insert("vaultId".to_owned(), vault.as_str().into());
    }
    match problem.details {
        Some(fields @ Value::Array(_)) => {
            details.insert("fields".to_owned(), fields);
        }
        Some(Value::Object(more)) => details.extend(more),
        Some(_) | None => {}
    }
    json!({ "message": problem.message, "code": problem.code, "details": details })
}

/// The `error` that follows the news of one's own removal.
pub(super) fn removed(vault: &VaultId) -> Value {
    let problem = Problem::from(crate::domain::Refusal::AccessDenied);
    json!({ "message": problem.message, "code": problem.code, "details": { "vaultId": vault } })
}

/// What `vault:joined`, and the acknowledgement of `vault:join`, carry.
pub(super) fn joined(vault: &VaultId, joined: &Joined, epoch: &str) -> Map<String, Value> {
    let mut payload = Map::new();
    payload.insert("vaultId".to_owned(), vault.as_str().into());
    payload.insert("role".to_owned(), joined.role.as_str().into());
    payload.insert("seq".to_owned(), joined.seq.0.into());
    payload.insert("epoch".to_owned(), epoch.into());
    if let Some(replayed) = joined.replayed {
        payload.insert("replayed".to_owned(), replayed.into());
    }
    if joined.resync {
        payload.insert("resync".to_owned(), true.into());
    }
    payload
}

/// An event as it is sent to everybody: its JSON is the journal's, byte for byte.
pub(super) fn event(record: &Record) -> Frame {
    Frame::event(NAMESPACE, record.kind.as_str(), &[&record.payload])
}

/// `"VAULT_ID"` or `{vaultId}`.
fn vault_in(arg: Option<&Value>) -> Result<VaultId, Problem> {
    match arg {
        Some(Value::Object(payload)) => forms::vault_id(payload.get("vaultId")),
        other => forms::vault_id(other),
    }
}

/// `since` and `epoch`, where a join gives them.
fn attach(arg: Option<&Value>) -> Result<Attach, Problem> {
    let given = |field| arg?.get(field).filter(|value| !value.is_null());
    let epoch = given("epoch")
        .map(|epoch| {
            let wrong = || Problem::invalid_field("epoch", "must be a string");
            epoch.as_str().map(str::to_owned).ok_or_else(wrong)
        })
        .transpose()?;
    let Some(since) = given("since") else {
        return Ok(Attach::Join);
    };
    let since = since.as_u64();
    let wrong = || Problem::invalid_field("since", "must be a sequence number");
    let seq = Seq(since.ok_or_else(wrong)?);
    Ok(Attach::JoinSince { seq, epoch })
}

fn object<'a>(value: Option<&'a Value>, field: &str) -> Result<&'a forms::Fields, Problem> {
    value
        .and_then(Value::as_object)
        .ok_or_else(|| Problem::invalid_field(field, "must be an object"))
}

fn source_id(value: Option<&Value>, field: &str) -> Result<SourceId, Problem> {
    value
        .and_then(Value::as_str)
        .and_then(SourceId::parse)
        .ok_or_else(|| Problem::invalid_field(field, "must be the id of a source"))
}

fn key(
    key: Option<&Value>,
    vault: &VaultId,
    source: &NewSource,
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = key.filter(|key| !key.is_null()) else {
        return Ok(None);
    };
    let text = key
        .as_str()
        .ok_or_else(|| Problem::invalid_field("key", "must be a string"))?;
    forms::idempotency_key("key", text, forms::sources_path(vault), source).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    fn code(event: &str, args: &[Value]) -> Code {
        Request::parse(event, args).unwrap_err().code
    }

    #[test]
    fn a_vault_is_joined_by_its_id_or_by_an_object() {
        let id = "clx123abc456def";
        let plain = Request::parse("vault:join", &[json!(id)]).unwrap();
        assert!(matches!(
            plain,
            Request::Join {
                attach: Attach::Join,
                ..
            }
        ));
        let since = json!({ "vaultId": id, "since": 7, "epoch": "e" });
        let Request::Join { attach, .. } = Request::parse("vault:join", &[since]).unwrap() else {
            panic!("a join");
        };
        let (seq, epoch) = (Seq(7), Some("e".to_owned()));
        assert_eq!(attach, Attach::JoinSince { seq, epoch });
        let negative = json!({ "vaultId": id, "since": -1 });
        assert_eq!(code("vault:join", &[negative]), Code::ValidationFailed);
    }

    #[test]
    fn an_id_that_is_absent_no_text_or_no_cuid_is_an_invalid_vault_id() {
        for args in [
            vec![],
            vec![json!(7)],
            vec![json!("nope")],
            vec![json!({})],
            vec![json!(null)],
        ] {
            assert_eq!(code("vault:join", &args), Code::InvalidVaultId, "{args:?}");
            assert_eq!(code("vault:leave", &args), Code::InvalidVaultId, "{args:?}");
        }
        let without = json!({ "source": { "title": "T" } });
        assert_eq!(code("source:created", &[without]), Code::InvalidVaultId);
    }

    #[test]
    fn other_malformed_arguments_and_unknown_events_fail_validation() {
        assert_eq!(code("source:created", &[]), Code::ValidationFailed);
        assert_eq!(
            code("source:updated", &[json!({ "source": {} })]),
            Code::ValidationFailed
        );
        assert_eq!(
            code("source:deleted", &[json!({ "sourceId": 1 })]),
            Code::ValidationFailed
        );
        assert_eq!(code("vault:dance", &[json!("x")]), Code::ValidationFailed);
    }

    #[test]
    fn the_vault_of_a_new_source_may_stand_in_the_source() {
        let payload = json!({ "source": {
            "vaultId": "clx123abc456def", "title": "T", "fileUrl": "https://example.com/a"
        } });
        assert!(Request::parse("source:created", &[payload.clone()]).is_ok());
        assert_eq!(vault_named(&[payload]).unwrap().as_str(), "clx123abc456def");
    }
}
