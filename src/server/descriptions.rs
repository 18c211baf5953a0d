//! The descriptions that the main listener serves: OpenAPI of the HTTP API, AsyncAPI of the Socket.IO events.
//!
//! They follow from the code's types. `docs/openapi.json` and `docs/asyncapi.json` are copies for readers and generators
//! without a running service; a test keeps them equal.

use crate::{
    api::{self, Descriptions},
    config::BasePath,
    gateway,
};

/// Returns the descriptions, ready to be served below this prefix.
pub(super) fn descriptions(base_path: &BasePath) -> Descriptions {
    Descriptions::new(&api::openapi(base_path.as_str()), &gateway::asyncapi())
}

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    use serde::Serialize;

    use super::*;

    /// Compares a file with a document. With `UPDATE_DESCRIPTIONS=1` in the environment, writes it.
    fn assert_file_is_current(name: &str, document: &impl Serialize) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(name);
        let current = serde_json::to_string_pretty(document).unwrap() + "\n";
        if env::var_os("UPDATE_DESCRIPTIONS").is_some() {
            fs::write(&path, &current).unwrap();
        }
        let file = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == current,
            "docs/{name} is out of date: run UPDATE_DESCRIPTIONS=1 cargo test --lib descriptions"
        );
    }

    #[test]
    fn committed_openapi_document_is_current() {
        assert_file_is_current("openapi.json", &api::openapi(""));
    }

    #[test]
    fn committed_asyncapi_document_is_current() {
        assert_file_is_current("asyncapi.json", &gateway::asyncapi());
    }
}
