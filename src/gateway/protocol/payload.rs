//! Payloads of the server's own events, and of acknowledgements.

use std::ops::Not;

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::{
        problem::{ErrorCode, FieldError, Outcome, Problem, ProblemDetails, UnknownOutcome},
        schema::{literal_false, literal_true},
    },
    domain::{MutationAnswer, Refusal, Resource, Role, Seq, Source, UserId, VaultId},
    vault::Joined,
};

/// Why an event of the client failed, or why the service ended a subscription.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SocketError)]
pub(in crate::gateway) struct ErrorPayload {
    /// Describes the problem in words.
    message: String,
    code: ErrorCode,
    details: ErrorDetails,
}

/// What an error is about. After the removal of a member it has `vaultId` only.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SocketErrorDetails)]
struct ErrorDetails {
    /// The event of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    event: Option<String>,
    /// The vault, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    vault_id: Option<VaultId>,
    /// The invalid fields of `VALIDATION_FAILED`, which HTTP returns as `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    fields: Option<Vec<FieldError>>,
    /// The outcome of a mutation that failed with `UNAVAILABLE`, if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    outcome: Option<Outcome>,
}

/// The acknowledgement of a failed event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ErrorAck)]
pub(in crate::gateway) struct NegativeAck<'a> {
    #[schema(schema_with = literal_false)]
    ok: bool,
    error: &'a ErrorPayload,
}

impl ErrorPayload {
    /// Returns the error of a client's event.
    pub(in crate::gateway) fn new(problem: Problem, event: &str, vault: Option<VaultId>) -> Self {
        let mut details = ErrorDetails {
            event: Some(event.to_owned()),
            vault_id: vault,
            ..ErrorDetails::default()
        };
        match problem.details {
            Some(ProblemDetails::Fields(fields)) => details.fields = Some(fields),
            Some(ProblemDetails::Outcome(UnknownOutcome { outcome })) => {
                details.outcome = Some(outcome);
            }
            // No event of a client reads the journal.
            Some(ProblemDetails::KeptEvents(_)) | None => {}
        }
        Self {
            message: problem.message,
            code: problem.code,
            details,
        }
    }

    /// Returns the error that a member receives after the event of their own removal.
    pub(in crate::gateway) fn removed(vault: &VaultId) -> Self {
        let problem = Problem::from(Refusal::AccessDenied);
        Self {
            message: problem.message,
            code: problem.code,
            details: ErrorDetails {
                vault_id: Some(vault.clone()),
                ..ErrorDetails::default()
            },
        }
    }

    /// Returns the acknowledgement of the event that failed.
    pub(in crate::gateway) fn acknowledgement(&self) -> NegativeAck<'_> {
        NegativeAck {
            ok: false,
            error: self,
        }
    }
}

/// The confirmation that the socket is subscribed to a vault.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VaultJoined)]
pub(in crate::gateway) struct JoinedPayload<'a> {
    vault_id: &'a VaultId,
    role: Role,
    /// The user of the socket.
    user_id: &'a UserId,
    /// Every event after this one is sent. Those up to it are sent only if the join had `since`.
    seq: Seq,
    /// The id of the history that `seq` belongs to.
    epoch: &'a str,
    /// The number of missed events that follow. Present if the join had `since` and the events are available.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    replayed: Option<u64>,
    /// The missed events are not available: list the sources again.
    #[serde(skip_serializing_if = "Not::not")]
    #[schema(required = false)]
    resync: bool,
}

/// The acknowledgement of a join.
#[derive(Debug, Serialize)]
pub(in crate::gateway) struct JoinAck<'a> {
    ok: bool,
    #[serde(flatten)]
    joined: JoinedPayload<'a>,
}

impl<'a> JoinedPayload<'a> {
    pub(in crate::gateway) fn new(
        vault: &'a VaultId,
        user: &'a UserId,
        joined: &'a Joined,
    ) -> Self {
        Self {
            vault_id: vault,
            role: joined.role,
            user_id: user,
            seq: joined.seq,
            epoch: &joined.epoch,
            replayed: joined.replayed,
            resync: joined.resync,
        }
    }

    /// Returns the acknowledgement of the join.
    pub(in crate::gateway) fn acknowledgement(self) -> JoinAck<'a> {
        JoinAck {
            ok: true,
            joined: self,
        }
    }
}

/// The acknowledgement of a `vault:leave`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct LeaveAck {
    #[schema(schema_with = literal_true)]
    ok: bool,
}

impl LeaveAck {
    pub(in crate::gateway) const OK: Self = Self { ok: true };
}

/// The acknowledgement of a created or updated source.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct SourceAck {
    #[schema(schema_with = literal_true)]
    ok: bool,
    source: Source,
    /// The number of the event that the mutation became.
    seq: Seq,
}

/// The acknowledgement of a deleted source.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::gateway) struct SourceDeletedAck {
    #[schema(schema_with = literal_true)]
    ok: bool,
    /// The number of the event that the mutation became.
    seq: Seq,
}

/// The acknowledgement of a mutation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(in crate::gateway) enum MutationAck {
    Source(Box<SourceAck>),
    Deleted(SourceDeletedAck),
}

impl From<MutationAnswer> for MutationAck {
    fn from(MutationAnswer { seq, resource }: MutationAnswer) -> Self {
        let ok = true;
        match resource {
            Resource::Source(source) => Self::Source(Box::new(SourceAck { ok, source, seq })),
            Resource::Member(_) | Resource::Vault(_) | Resource::Nothing => {
                Self::Deleted(SourceDeletedAck { ok, seq })
            }
        }
    }
}
