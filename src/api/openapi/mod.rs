//! The description of the HTTP API as an OpenAPI 3.1 document.
//!
//! `operations.rs` is the table of the operations, `describe.rs` turns a row (`operation.rs`) into its part of the document,
//! and `parts.rs` has the parameters, headers and credentials that rows name. Schemas are those of the types that handlers send
//! and of the bounds that they check.

mod describe;
mod operation;
mod operations;
mod parts;

use utoipa::{
    ToSchema,
    openapi::{
        InfoBuilder, License, OneOfBuilder, OpenApi, OpenApiBuilder, OpenApiVersion, Paths, Schema,
        Server, schema::ObjectBuilder,
    },
};

use crate::{
    contract::schema::{self, SchemaSet},
    domain::{EventKind, MemberView, Seq, Source, User, VaultView},
};

use super::{
    health::{self, HealthView},
    members::MembersView,
    sources::SourcesView,
    vaults::{EventsView, JOURNAL_EVENT, VaultsView},
};

/// The first paragraph, before the path of the description of the events.
const SUMMARY: &str = "\
Vaults, their members, sources and journals. Every change of a vault is an event with a number `seq`; subscribers of the vault \
receive it over Socket.IO, see";

const RULES: &str = "\
- All times are ISO 8601 in UTC with milliseconds. Unknown fields and parameters are ignored. Versions may add fields to responses.
- `HEAD` is accepted wherever `GET` is. An unknown path is 404 `NOT_FOUND`, an unsupported method 405 `METHOD_NOT_ALLOWED` with `Allow`.
- Membership is checked before the parameters and the content of a request.
- A mutation that is answered with an error was not persisted, except for `UNAVAILABLE` with `details.outcome: \"unknown\"`.";

/// Returns the description of the HTTP API of the main listener. `base_path` is the prefix of all paths but those of the health
/// checks.
pub fn openapi(base_path: &str) -> OpenApi {
    let mut paths = Paths::new();
    for row in operations::all() {
        let (path, method) = (row.path, row.method.clone());
        paths.add_path_operation(path, vec![method], row.describe());
    }
    if !base_path.is_empty() {
        for path in [health::HEALTHZ, health::READYZ] {
            let item = paths.paths.get_mut(path);
            item.expect("health checks are described").servers = Some(vec![Server::new("/")]);
        }
    }
    let server = match base_path {
        "" => Server::new("/"),
        prefix => Server::new(prefix),
    };
    let description = format!("{SUMMARY} `{base_path}/asyncapi.json`.\n\n{RULES}");
    let info = InfoBuilder::new()
        .title("vaultcast")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .license(Some(License::new(env!("CARGO_PKG_LICENSE"))));
    OpenApiBuilder::new()
        .openapi(OpenApiVersion::Version31)
        .info(info.build())
        .servers(Some([server]))
        .tags(Some(
            operation::ApiTag::ALL.map(operation::ApiTag::describe),
        ))
        .paths(paths)
        .components(Some(parts::components(schemas())))
        .security(Some(parts::credentials()))
        .build()
}

fn schemas() -> SchemaSet {
    let mut schemas = schema::http();
    schemas.add::<User>();
    schemas.add::<VaultView>();
    schemas.add::<MemberView>();
    schemas.add::<Source>();
    schemas.add::<VaultsView>();
    schemas.add::<MembersView<'_>>();
    schemas.add::<SourcesView<'_>>();
    schemas.add::<EventsView<'_>>();
    schemas.add::<HealthView>();
    schemas.insert(JOURNAL_EVENT, journal_event());
    schemas
}

/// Returns the schema of an event in the journal: a payload of the kind that `event` names.
fn journal_event() -> Schema {
    let of_kind = |kind: EventKind| {
        ObjectBuilder::new()
            .title(Some(kind.name()))
            .property("seq", schema::reference(&Seq::name()))
            .required("seq")
            .property("event", schema::literal(kind.name()))
            .required("event")
            .property("payload", schema::reference(&schema::event_name(kind)))
            .required("payload")
    };
    let kinds = EventKind::ALL.into_iter().map(of_kind);
    let description = "An event with its name and its payload, as subscribers receive it.";
    let union = OneOfBuilder::new().description(Some(description));
    kinds.fold(union, OneOfBuilder::item).into()
}
