//! The contract's words: what clients ask by which event, and what they are told. Nobody else knows them.

use std::ops::Not;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    domain::{
        Answer, Command, Mutation, NewSource, Principal, Refusal, Resource, Role, Seq, Source,
        SourceId, SourcePatch, VaultId, idempotency::IdempotencyKey,
    },
    forms,
    journal::Record,
    problem::{Code, Problem},
    socketio::Frame,
    vault::{Attach, Joined},
};

use super::offset::Offset;

/// The contract's events are all in the default namespace.
pub const NAMESPACE: &str = "/";

/// The event that asks for a join.
pub(super) const JOIN: &str = "vault:join";

/// The event that confirms a join.
pub(super) const JOINED: &str = "vault:joined";

/// The event that tells what went wrong.
pub(super) const ERROR: &str = "error";

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
            JOIN => {
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

/// The name of an event that a client may send; of all else, that it is none.
pub(super) fn known(event: &str) -> &'static str {
    const KNOWN: [&str; 5] = [
        JOIN,
        "vault:leave",
        "source:created",
        "source:updated",
        "source:deleted",
    ];
    let known = KNOWN.into_iter().find(|known| *known == event);
    known.unwrap_or("unknown")
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
#[derive(Clone, Debug, Serialize)]
pub(super) struct Error {
    message: String,
    code: Code,
    details: Details,
}

#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    /// The client's event.
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    /// The vault, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_id: Option<VaultId>,
    /// For `VALIDATION_FAILED`, the list that HTTP puts into `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Value>,
    /// What else HTTP tells, such as `outcome`.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Error {
    /// A problem with a client's event.
    pub(super) fn new(problem: Problem, event: &str, vault: Option<VaultId>) -> Self {
        let mut details = Details {
            event: Some(event.to_owned()),
            vault_id: vault,
            ..Details::default()
        };
        match problem.details {
            Some(fields @ Value::Array(_)) => details.fields = Some(fields),
            Some(Value::Object(more)) => details.more = more,
            Some(_) | None => {}
        }
        Self {
            message: problem.message,
            code: problem.code,
            details,
        }
    }

    /// What follows the news of one's own removal.
    pub(super) fn removed(vault: &VaultId) -> Self {
        let problem = Problem::from(Refusal::AccessDenied);
        Self {
            message: problem.message,
            code: problem.code,
            details: Details {
                vault_id: Some(vault.clone()),
                ..Details::default()
            },
        }
    }

    /// The negative acknowledgement.
    pub(super) fn acknowledgement(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Refused<'a> {
            ok: bool,
            error: &'a Error,
        }
        Refused {
            ok: false,
            error: self,
        }
    }
}

/// What `vault:joined` carries, and the acknowledgement of `vault:join`, which begins with `ok`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct JoinedPayload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    vault_id: &'a VaultId,
    role: Role,
    seq: Seq,
    epoch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<u64>,
    #[serde(skip_serializing_if = "Not::not")]
    resync: bool,
}

impl<'a> JoinedPayload<'a> {
    pub(super) fn new(vault: &'a VaultId, joined: &Joined, epoch: &'a str) -> Self {
        Self {
            ok: None,
            vault_id: vault,
            role: joined.role,
            seq: joined.seq,
            epoch,
            replayed: joined.replayed,
            resync: joined.resync,
        }
    }
}

/// The acknowledgement of a mutation, or of a `vault:leave`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Done {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
}

impl Done {
    /// Nothing is left to say.
    pub(super) const OK: Self = Self {
        ok: true,
        source: None,
        seq: None,
    };
}

impl From<Answer> for Done {
    fn from(answer: Answer) -> Self {
        let source = match answer.resource {
            Resource::Source(source) => Some(source),
            Resource::Member(_) | Resource::Vault(_) | Resource::Nothing => None,
        };
        Self {
            ok: true,
            source,
            seq: Some(answer.seq),
        }
    }
}

/// An event as it is sent to everybody: its JSON is the journal's, byte for byte. Behind it, where clients may come back,
/// the offset by which they tell how far they got.
pub(super) fn event(vault: &VaultId, record: &Record, with_offset: bool) -> Frame {
    let kind = record.kind.as_str();
    if !with_offset {
        return Frame::event(NAMESPACE, kind, &[&record.payload]);
    }
    // Digits and letters need no escape.
    let offset = format!("\"{}\"", Offset::of_event(vault, record.seq).as_str());
    Frame::event(NAMESPACE, kind, &[&record.payload, &offset])
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
    use serde_json::json;

    use super::*;

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
        assert!(Request::parse("source:created", std::slice::from_ref(&payload)).is_ok());
        assert_eq!(vault_named(&[payload]).unwrap().as_str(), "clx123abc456def");
    }
}
