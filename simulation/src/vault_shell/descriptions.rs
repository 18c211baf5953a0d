//! Inputs, effects and notices as lines of the story.

use vaultcast::{
    domain::Seq,
    vault::{
        Notice, NoticeBody,
        machine::{BatchOutcome, VaultEffect, VaultInput},
    },
};
/// Describes an input.
pub(super) fn describe(input: &VaultInput) -> String {
    match input {
        VaultInput::Opened(Ok(Some(vault))) => format!("opened at {}", vault.head.0),
        VaultInput::Submit { caller, .. } => format!("submit {}", caller.0),
        VaultInput::Committed(BatchOutcome::Written(written)) => {
            let seqs: Vec<_> = written
                .events
                .iter()
                .map(|event| event.record.seq.0)
                .collect();
            format!("committed {seqs:?}, {} of them missed", written.missed)
        }
        VaultInput::Subscribe(request) => format!(
            "subscribe {} ticket {} {:?}",
            request.subscription.subscriber.0,
            request.subscription.ticket,
            request.subscription.attach
        ),
        other => format!("{other:?}").chars().take(200).collect(),
    }
}

/// Describes an effect.
pub(super) fn describe_effect(effect: &VaultEffect) -> String {
    match effect {
        VaultEffect::Append(batch) => {
            let callers: Vec<_> = batch
                .mutations
                .iter()
                .map(|queued| queued.caller.0)
                .collect();
            format!("append {callers:?} at {}", batch.vault.head.0)
        }
        VaultEffect::Answer { caller, result } => {
            format!(
                "answer {}: {:?}",
                caller.0,
                result.as_ref().map(|answer| answer.seq.0)
            )
        }
        other => format!("{other:?}").chars().take(200).collect(),
    }
}

/// Describes a notice.
pub fn describe_notice(notice: &Notice) -> String {
    match &notice.body {
        NoticeBody::Event(record) => format!("event {}", record.seq.0),
        NoticeBody::Attached(attached) => {
            let seqs: Vec<Seq> = (attached.events.iter())
                .filter_map(|event| match &event.body {
                    NoticeBody::Event(record) => Some(record.seq),
                    _ => None,
                })
                .collect();
            format!(
                "answer to {}: {:?}, events {seqs:?}, {:?}",
                attached.ticket, attached.joined, attached.outcome
            )
        }
        NoticeBody::Removed => "removed".to_owned(),
        NoticeBody::Closed => "closed".to_owned(),
    }
}
