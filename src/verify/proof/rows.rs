//! The rows of a vault, held against what its events have come to.

use entity::{member, source};

use crate::domain::Role;

use super::{
    super::{
        contradiction::{Contradiction, Thing, time},
        state::{Standing, State},
        summary::{Reach, Summary},
    },
    Proof,
};

impl Proof<'_> {
    /// Compares the row of a source. All events were taken in before.
    pub fn source(&mut self, row: &source::Model) {
        self.begin_rows();
        self.sources += 1;
        let what = Thing::Source(row.id.clone());
        let from = self.kept.map_or(1, |(first, _)| first);
        let trimmed = |seq: i64| (1..from).contains(&seq);
        let before = format!("a place before event {from}");
        let known = match self.state.sources.take(&row.id) {
            Standing::Here(known) => known,
            Standing::Gone => return self.note(Contradiction::SpareRow { what }),
            Standing::Unknown => {
                for (field, seq) in [("seq", row.seq), ("created_seq", row.created_seq)] {
                    if !trimmed(seq) {
                        self.row(&what, field, &seq.to_string(), &before);
                    }
                }
                return;
            }
        };
        self.row(&what, "title", &row.title, &known.is.title);
        self.row(&what, "file_url", &row.file_url, &known.is.file_url);
        let (found, expected) = (&row.file_key, &known.is.file_key);
        self.row(&what, "file_key", &or_none(found), &or_none(expected));
        let (found, expected) = (&row.file_size, &known.is.file_size);
        self.row(&what, "file_size", &or_none(found), &or_none(expected));
        self.row(&what, "mime_type", &row.mime_type, &known.is.mime_type);
        self.row(&what, "seq", &row.seq.to_string(), &known.seq.to_string());
        let (found, expected) = (time(row.updated_at), time(known.updated_at));
        self.row(&what, "updated_at", &found, &expected);
        match known.created {
            Some((seq, at)) => {
                let (found, expected) = (row.created_seq.to_string(), seq.to_string());
                self.row(&what, "created_seq", &found, &expected);
                self.row(&what, "created_at", &time(row.created_at), &time(at));
            }
            None if !trimmed(row.created_seq) => {
                self.row(&what, "created_seq", &row.created_seq.to_string(), &before);
            }
            None => {}
        }
    }

    /// Compares the row of a member. All events were taken in before.
    pub fn member(&mut self, row: &member::Model) {
        self.begin_rows();
        self.members += 1;
        self.owners += u64::from(row.role == Role::Owner.as_str());
        let what = Thing::Member(row.user_id.clone());
        let known = match self.state.members.take(&row.user_id) {
            Standing::Here(known) => known,
            Standing::Gone => return self.note(Contradiction::SpareRow { what }),
            Standing::Unknown => {
                if row.role.parse::<Role>().is_err() {
                    self.row(&what, "role", &row.role, "a role");
                }
                return;
            }
        };
        self.row(&what, "role", &row.role, known.role.as_str());
        for (field, found, expected) in [
            ("created_at", row.created_at, known.created_at),
            ("updated_at", row.updated_at, known.updated_at),
        ] {
            if let Some(expected) = expected {
                self.row(&what, field, &time(found), &time(expected));
            }
        }
    }

    /// Compares the vault's own row, and says what there is no row for.
    pub fn finish(mut self) -> Summary {
        self.begin_rows();
        self.stands();
        let (row, what) = (self.row, Thing::Vault);
        if let Some((name, at)) = self.state.named.take() {
            self.row(&what, "name", &row.name, &name);
            self.row(&what, "updated_at", &time(row.updated_at), &time(at));
        }
        let deleted = |at: Option<i64>| or_none(&at.map(time));
        let (found, expected) = (deleted(row.deleted_at), deleted(self.state.deleted_at));
        self.row(&what, "deleted_at", &found, &expected);
        let sources = self.state.sources.iter();
        let sources = sources.map(|(id, source)| (source.seq, Thing::Source(id.to_owned())));
        let members = self.state.members.iter();
        let members = members.map(|(id, member)| (member.seq, Thing::Member(id.to_owned())));
        let mut lacking: Vec<_> = sources.chain(members).collect();
        lacking.sort_by_key(|(seq, _)| *seq);
        for (seq, what) in lacking {
            self.note(Contradiction::NoRow { what, seq });
        }
        if row.deleted_at.is_none() && self.owners == 0 {
            self.note(Contradiction::NoOwner);
        }
        Summary {
            vault: row.id.clone(),
            name: row.name.clone(),
            is_deleted: row.deleted_at.is_some(),
            head: self.head,
            kept: self.kept,
            events: self.events,
            members: self.members,
            sources: self.sources,
            reach: match (self.findings.count() - self.before, self.kept) {
                (0, Some((1, _))) => Reach::Whole,
                (0, Some((first, _))) => Reach::From(first),
                (0, None) if self.head == Some(0) => Reach::Whole,
                (0, None) => Reach::Buried,
                (contradictions, _) => Reach::Contradicted(contradictions),
            },
        }
    }

    /// What is not in the journal is as the trimming left it.
    fn begin_rows(&mut self) {
        if self.kept.is_none() && self.head != Some(0) && self.state.named.is_some() {
            self.state = State::trimmed();
            if let Some(at) = self.row.deleted_at {
                self.state.delete(at);
            }
        }
    }

    /// Whether the head is where the journal ends. What is left of a deleted vault goes oldest first, its head at last.
    fn stands(&mut self) {
        let Some(head) = self.head else { return };
        match self.kept {
            Some((_, last)) if head > last => self.note(Contradiction::HeadAhead { head, last }),
            Some((_, last)) if head < last => self.note(Contradiction::HeadBehind { head, last }),
            None if head != 0 && self.row.deleted_at.is_none() => {
                self.note(Contradiction::NoEvents { head });
            }
            Some(_) | None => {}
        }
    }

    fn row(&mut self, what: &Thing, field: &'static str, found: &str, expected: &str) {
        if found != expected {
            self.note(Contradiction::Row {
                what: what.clone(),
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
