//! Compares the rows of a vault with the state that its events produce.

use entity::{member, source};

use crate::domain::Role;

use super::{
    super::{
        findings::{Contradiction, FindingSubject, format_time},
        state::{Presence, ReplayedState, SourceState},
        summary::{EventSpan, VaultSummary, VerifiedRange},
    },
    VaultVerifier,
};

impl VaultVerifier<'_> {
    /// Compares the row of a source. All events must have been added before.
    pub fn check_source(&mut self, row: &source::Model) {
        self.prepare_for_rows();
        self.sources += 1;
        let subject = FindingSubject::Source(row.id.clone());
        match self.state.sources.take(&row.id) {
            Presence::Present(known) => self.compare_source(&subject, row, &known),
            Presence::Absent => self.report(Contradiction::UnexpectedRow { subject }),
            Presence::Unknown => {
                self.check_trimmed_seq(&subject, "seq", row.seq);
                self.check_trimmed_seq(&subject, "created_seq", row.created_seq);
            }
        }
    }

    fn compare_source(
        &mut self,
        subject: &FindingSubject,
        row: &source::Model,
        known: &SourceState,
    ) {
        let SourceState {
            content,
            updated,
            created,
        } = known;
        self.compare(subject, "title", &row.title, &content.title);
        self.compare(subject, "file_url", &row.file_url, &content.file_url);
        let (found, expected) = (or_none(&row.file_key), or_none(&content.file_key));
        self.compare(subject, "file_key", &found, &expected);
        let (found, expected) = (or_none(&row.file_size), or_none(&content.file_size));
        self.compare(subject, "file_size", &found, &expected);
        self.compare(subject, "mime_type", &row.mime_type, &content.mime_type);
        let (found, expected) = (row.seq.to_string(), updated.seq.to_string());
        self.compare(subject, "seq", &found, &expected);
        let (found, expected) = (format_time(row.updated_at), format_time(updated.at));
        self.compare(subject, "updated_at", &found, &expected);
        match created {
            Some(created) => {
                let (found, expected) = (row.created_seq.to_string(), created.seq.to_string());
                self.compare(subject, "created_seq", &found, &expected);
                let (found, expected) = (format_time(row.created_at), format_time(created.at));
                self.compare(subject, "created_at", &found, &expected);
            }
            None => self.check_trimmed_seq(subject, "created_seq", row.created_seq),
        }
    }

    /// Checks that a seq belongs to a trimmed event.
    fn check_trimmed_seq(&mut self, subject: &FindingSubject, field: &'static str, seq: i64) {
        let first = self.span.map_or(1, |span| span.first);
        if !(1..first).contains(&seq) {
            let expected = format!("a seq before {first}");
            self.compare(subject, field, &seq.to_string(), &expected);
        }
    }

    /// Compares the row of a member. All events must have been added before.
    pub fn check_member(&mut self, row: &member::Model) {
        self.prepare_for_rows();
        self.members += 1;
        self.owners += u64::from(row.role == Role::Owner.as_str());
        let subject = FindingSubject::Member(row.user_id.clone());
        let known = match self.state.members.take(&row.user_id) {
            Presence::Present(known) => known,
            Presence::Absent => return self.report(Contradiction::UnexpectedRow { subject }),
            Presence::Unknown => {
                if row.role.parse::<Role>().is_err() {
                    self.compare(&subject, "role", &row.role, "a role");
                }
                return;
            }
        };
        self.compare(&subject, "role", &row.role, known.role.as_str());
        for (field, found, expected) in [
            ("created_at", row.created_at, known.created_at),
            ("updated_at", row.updated_at, known.updated_at),
        ] {
            if let Some(expected) = expected {
                let (found, expected) = (format_time(found), format_time(expected));
                self.compare(&subject, field, &found, &expected);
            }
        }
    }

    /// Compares the row of the vault, reports missing rows, and returns the summary.
    pub fn finish(mut self) -> VaultSummary {
        self.prepare_for_rows();
        self.check_head();
        self.compare_vault();
        self.report_missing_rows();
        if self.row.deleted_at.is_none() && self.owners == 0 {
            self.report(Contradiction::NoOwner);
        }
        VaultSummary {
            vault: self.row.id.clone(),
            name: self.row.name.clone(),
            is_deleted: self.row.deleted_at.is_some(),
            head: self.head,
            span: self.span,
            events: self.events,
            members: self.members,
            sources: self.sources,
            verified: match (self.findings.count() - self.findings_before, self.span) {
                (0, Some(EventSpan { first: 1, .. })) => VerifiedRange::Complete,
                (0, Some(EventSpan { first, .. })) => VerifiedRange::From(first),
                (0, None) if self.head == Some(0) => VerifiedRange::Complete,
                (0, None) => VerifiedRange::Purged,
                (contradictions, _) => VerifiedRange::Contradicted(contradictions),
            },
        }
    }

    /// Marks the state as unknown when the journal has no events but the head shows that there were some.
    fn prepare_for_rows(&mut self) {
        if self.span.is_none() && self.head != Some(0) && self.state.name.is_some() {
            self.state = ReplayedState::trimmed();
            if let Some(at) = self.row.deleted_at {
                self.state.delete(at);
            }
        }
    }

    /// Compares the head with the last event. A deleted vault may have a head without events, because its events are purged
    /// before its head.
    fn check_head(&mut self) {
        let Some(head) = self.head else { return };
        match self.span {
            Some(EventSpan { last, .. }) if head > last => {
                self.report(Contradiction::HeadAhead { head, last });
            }
            Some(EventSpan { last, .. }) if head < last => {
                self.report(Contradiction::HeadBehind { head, last });
            }
            None if head != 0 && self.row.deleted_at.is_none() => {
                self.report(Contradiction::NoEvents { head });
            }
            Some(_) | None => {}
        }
    }

    fn compare_vault(&mut self) {
        let (row, subject) = (self.row, FindingSubject::Vault);
        if let Some(expected) = self.state.name.take() {
            self.compare(&subject, "name", &row.name, &expected.name);
            let (found, expected) = (format_time(row.updated_at), format_time(expected.since));
            self.compare(&subject, "updated_at", &found, &expected);
        }
        let found = or_none(&row.deleted_at.map(format_time));
        let expected = or_none(&self.state.deleted_at.map(format_time));
        self.compare(&subject, "deleted_at", &found, &expected);
    }

    /// Reports the sources and members that exist in the journal but whose rows were not checked.
    fn report_missing_rows(&mut self) {
        let sources = self.state.sources.iter();
        let sources =
            sources.map(|(id, source)| (source.updated.seq, FindingSubject::Source(id.to_owned())));
        let members = self.state.members.iter();
        let members =
            members.map(|(id, member)| (member.seq, FindingSubject::Member(id.to_owned())));
        let mut missing: Vec<_> = sources.chain(members).collect();
        missing.sort_by_key(|(seq, _)| *seq);
        for (seq, subject) in missing {
            self.report(Contradiction::MissingRow { subject, seq });
        }
    }

    fn compare(
        &mut self,
        subject: &FindingSubject,
        field: &'static str,
        found: &str,
        expected: &str,
    ) {
        if found != expected {
            self.report(Contradiction::RowField {
                subject: subject.clone(),
                field,
                found: found.to_owned(),
                expected: expected.to_owned(),
            });
        }
    }
}

fn or_none<T: ToString>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| "none".to_owned(), T::to_string)
}
