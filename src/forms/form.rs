//! A form being read: fields by name, and all that is wrong with them.

use serde_json::Value;

use crate::problem::{FieldError, Problem};

use super::Fields;

/// Reads fields and collects what is wrong with them.
pub(super) struct Form<'a> {
    fields: &'a Fields,
    wrong: Vec<FieldError>,
}

pub(super) type Check<T> = fn(&Value) -> Result<T, String>;

impl<'a> Form<'a> {
    pub(super) fn new(fields: &'a Fields) -> Self {
        Self {
            fields,
            wrong: Vec::new(),
        }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !value.is_null())
    }

    pub(super) fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.wrong.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    fn check<T>(&mut self, field: &str, value: &Value, check: Check<T>) -> Option<T> {
        match check(value) {
            Ok(good) => Some(good),
            Err(message) => {
                self.wrong(field, message);
                None
            }
        }
    }

    /// Must be there.
    pub(super) fn required<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => {
                self.wrong(field, "is required");
                None
            }
            Some(value) => self.check(field, value, check),
        }
    }

    /// May be absent, or `null`, which is the same.
    pub(super) fn optional<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => None,
            Some(value) => self.check(field, value, check),
        }
    }

    /// May be absent; `null` is no value for it.
    pub(super) fn changed<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        let value = self.fields.get(field)?;
        self.check(field, value, check)
    }

    /// May be absent, and `null` clears it.
    pub(super) fn cleared_or_changed<T>(
        &mut self,
        field: &str,
        check: Check<T>,
    ) -> Option<Option<T>> {
        match self.fields.get(field)? {
            Value::Null => Some(None),
            value => self.check(field, value, check).map(Some),
        }
    }

    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(&self.wrong))
        }
    }
}
