//! Reads the fields of a JSON object and collects the errors of all fields.

use serde_json::{Map, Value};

use crate::{
    contract::problem::{FieldError, Problem},
    domain::FieldChange,
};

/// The fields of a body or payload by name. Unknown fields are ignored.
pub type Fields = Map<String, Value>;

/// A reader of fields that collects the errors that it finds.
pub(super) struct Form<'a> {
    fields: &'a Fields,
    errors: Vec<FieldError>,
}

/// Checks and converts the value of a field. The error is the message for the client.
pub(super) type Check<T> = fn(&Value) -> Result<T, String>;

impl<'a> Form<'a> {
    pub(super) fn new(fields: &'a Fields) -> Self {
        Self {
            fields,
            errors: Vec::new(),
        }
    }

    /// Returns whether the field has a value other than `null`.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !value.is_null())
    }

    /// Records an error of a field.
    pub(super) fn add_error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    fn check<T>(&mut self, field: &str, value: &Value, check: Check<T>) -> Option<T> {
        match check(value) {
            Ok(valid) => Some(valid),
            Err(message) => {
                self.add_error(field, message);
                None
            }
        }
    }

    /// Reads a field that must have a value.
    pub(super) fn required<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => {
                self.add_error(field, "is required");
                None
            }
            Some(value) => self.check(field, value, check),
        }
    }

    /// Reads a field that may be absent or `null`.
    pub(super) fn optional<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => None,
            Some(value) => self.check(field, value, check),
        }
    }

    /// Reads a field that may be absent; `null` is an error.
    pub(super) fn changed<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        let value = self.fields.get(field)?;
        self.check(field, value, check)
    }

    /// Reads the change of an optional field: an absent field is unchanged, `null` clears it.
    pub(super) fn field_change<T>(&mut self, field: &str, check: Check<T>) -> FieldChange<T> {
        match self.fields.get(field) {
            None => FieldChange::Unchanged,
            Some(Value::Null) => FieldChange::Clear,
            Some(value) => match self.check(field, value, check) {
                Some(valid) => FieldChange::Set(valid),
                // The error is recorded, and `finish` returns it.
                None => FieldChange::Unchanged,
            },
        }
    }

    /// Returns the recorded errors, if there are any.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(&self.errors))
        }
    }
}
