//! Decides write requests by the rules of [`domain`](crate::domain) and collects the resulting rows.

use crate::domain::{
    BatchContext, BatchDraft, Decision, Members, Membership, MutationAnswer, Resource, Role, Seq,
    Timestamp, Vault, idempotency::RememberedAnswers,
};

use super::{
    pending_rows::PendingRows,
    record::JournalRecord,
    request::{BatchRequest, CommitOutcome, CommittedEvent, MutationError, NewVault},
};

/// Decides the mutations of a batch in order, each on the state that the ones before it leave.
pub(super) fn decide_batch(
    batch: &BatchRequest,
    context: BatchContext,
    answers: &mut RememberedAnswers,
    now: Timestamp,
    rows: &mut PendingRows,
) -> CommitOutcome {
    let vault = &batch.vault;
    let mut draft = BatchDraft::new(vault.clone(), context);
    let mut outcome = CommitOutcome {
        events: batch.missed.clone(),
        missed: batch.missed.len(),
        base: batch.base,
        ..CommitOutcome::default()
    };
    for mutation in &batch.mutations {
        let result = draft.decide(mutation, answers, now).map(|decided| {
            let (event, answer) = match decided {
                Decision::Repeated(answer) => return answer,
                Decision::Accepted { event, answer } => (event, answer),
            };
            let record = JournalRecord::new(&event);
            rows.add_event(&vault.id, &record, event.timestamp);
            if let Some(key) = &mutation.key {
                rows.add_answer(&mutation.by, key, &answer, now);
            }
            let state_change = event.state_change();
            outcome.events.push(CommittedEvent {
                record,
                state_change,
            });
            answer
        });
        outcome.results.push(result.map_err(MutationError::from));
    }
    let (after, changes) = draft.finish();
    // A deleted vault does not change, and its row in `vault_heads` may have been purged.
    outcome.is_vault_deleted = vault.members.is_empty();
    if !outcome.is_vault_deleted {
        rows.add_batch(vault, &after, changes, now);
    }
    outcome.vault = Some(after);
    outcome
}

/// Creates a vault, unless an earlier request with the same idempotency key did.
pub(super) fn create_vault(
    new: &NewVault,
    answers: &mut RememberedAnswers,
    now: Timestamp,
    rows: &mut PendingRows,
) -> CommitOutcome {
    let single = |result: Result<MutationAnswer, MutationError>| CommitOutcome {
        results: vec![result],
        ..CommitOutcome::default()
    };
    if let Some(key) = &new.key {
        match answers.recall(&new.by.id, key) {
            Err(refusal) => return single(Err(refusal.into())),
            Ok(Some(known)) => return single(Ok(known.clone())),
            Ok(None) => {}
        }
    }
    let vault = initial_state(new, now);
    let answer = MutationAnswer {
        seq: Seq::ZERO,
        resource: Resource::Vault(vault.view(Role::Owner)),
    };
    if let Some(key) = &new.key {
        answers.remember(&new.by.id, key, answer.clone());
        rows.add_answer(&new.by, key, &answer, now);
    }
    rows.add_vault(new, now);
    single(Ok(answer))
}

fn initial_state(new: &NewVault, now: Timestamp) -> Vault {
    let owner = Membership {
        role: Role::Owner,
        created_at: now,
    };
    Vault {
        id: new.id.clone(),
        name: new.name.as_str().into(),
        head: Seq::ZERO,
        members: Members::from_iter([(new.by.id.clone(), owner)]).into(),
        created_at: now,
        updated_at: now,
    }
}
