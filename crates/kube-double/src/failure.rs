//! What the API server says when it refuses: a `Status`, with the reasons that clients look at.

use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub causes: Vec<Value>,
}

impl Failure {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), causes: Vec::new() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn not_found(collection: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{collection} {name:?} not found"))
    }

    pub(super) fn exists(collection: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{collection} {name:?} already exists"))
    }

    pub(super) fn conflict(collection: &str, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {collection} {name:?}: {why}"))
    }

    pub(super) fn modified(collection: &str, name: &str) -> Self {
        let why =
            "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(collection, name, why)
    }

    /// `errors`: each with the field's path and what is wrong with it.
    pub(super) fn invalid(kind: &str, name: &str, errors: &[(String, String)]) -> Self {
        let said: Vec<_> = errors.iter().map(|(field, message)| format!("{field}: {message}")).collect();
        let list = if said.len() == 1 { said.join("") } else { format!("[{}]", said.join(", ")) };
        let causes = errors.iter().map(
            |(field, message)| json!({"reason": "FieldValueInvalid", "message": message, "field": field}),
        );
        Self {
            causes: causes.collect(),
            ..Self::new(422, "Invalid", format!("{kind} {name:?} is invalid: {list}"))
        }
    }

    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// As it goes over the wire.
    pub(super) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.causes.is_empty() {
            status["details"] = json!({"causes": self.causes});
        }
        if self.code == 429 {
            status["details"]["retryAfterSeconds"] = json!(1);
        }
        status
    }
}
