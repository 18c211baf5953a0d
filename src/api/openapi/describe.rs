//! An operation as the document describes it.

use std::collections::BTreeMap;

use actix_web::{ResponseError, http::StatusCode};
use utoipa::openapi::{
    Content, HttpMethod, Object, Ref, Required, Response, ResponseBuilder,
    path::{Operation, OperationBuilder},
    request_body::{RequestBody, RequestBodyBuilder},
};

use crate::{
    api::error::ApiError,
    contract::{
        problem::{ErrorCode, Problem},
        schema::{one_of, problem_name, reference, string},
    },
};

use super::{
    operation::{Access, ApiOperation, PathSubject, ResponseContent},
    parts::{HeaderPart, ParameterPart},
};

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

impl ApiOperation {
    /// Returns the operation as the document describes it.
    pub fn describe(&self) -> Operation {
        let mut operation = OperationBuilder::new()
            .tag(self.tag.name())
            .operation_id(Some(self.id))
            .summary(Some(self.summary))
            .request_body(self.body.map(|schema| request_body(schema, &self.method)))
            .response(self.status.as_str(), self.success());
        let allowed = format!("Allowed for: {}.", self.access.text());
        let description = [self.description, &allowed].join("\n\n");
        operation = operation.description(Some(description.trim_start()));
        if self.access == Access::Anyone {
            operation = operation.securities(Some([]));
        }
        let path: &[ParameterPart] = match self.subject {
            PathSubject::Nothing => &[],
            PathSubject::Vault => &[ParameterPart::VaultId],
            PathSubject::Member => &[ParameterPart::VaultId, ParameterPart::UserId],
            PathSubject::Source => &[ParameterPart::SourceId],
        };
        for parameter in path.iter().chain(self.parameters) {
            operation =
                operation.parameter_ref(Ref::new(format!("#/components/parameters/{parameter:?}")));
        }
        if self.parameters.contains(&ParameterPart::IfNoneMatch) {
            operation = operation.response("304", self.not_modified());
        }
        for (status, codes) in by_status(&self.codes()) {
            operation = operation.response(status.as_str(), error_response(status, &codes));
        }
        operation.build()
    }

    fn success(&self) -> Response {
        let response = ResponseBuilder::new().description(self.summary_of_success());
        let response = match self.content {
            ResponseContent::Json(name) => {
                response.content(JSON, Content::new(Some(reference(name))))
            }
            ResponseContent::Document => response.content(JSON, Content::new(Some(Object::new()))),
            ResponseContent::Html => response.content("text/html", Content::new(Some(string()))),
            ResponseContent::Nothing => response,
        };
        let sequence: &[HeaderPart] = match self.is_mutation() {
            true => &[HeaderPart::VaultSeq],
            false => &[],
        };
        with_headers(response, sequence.iter().chain(self.headers)).build()
    }

    fn not_modified(&self) -> Response {
        let description = "The version that `If-None-Match` names is current.";
        let response = ResponseBuilder::new().description(description);
        with_headers(response, self.headers.iter()).build()
    }

    fn summary_of_success(&self) -> &'static str {
        match self.content {
            ResponseContent::Nothing => "Done.",
            ResponseContent::Json(_) if self.status == StatusCode::CREATED => "Created.",
            ResponseContent::Json(_) | ResponseContent::Document | ResponseContent::Html => {
                "Success."
            }
        }
    }
}

/// Groups codes by the status of their responses.
fn by_status(codes: &[ErrorCode]) -> BTreeMap<StatusCode, Vec<ErrorCode>> {
    let mut groups: BTreeMap<StatusCode, Vec<ErrorCode>> = BTreeMap::new();
    // In the order of the table, each once.
    for code in ErrorCode::ALL
        .into_iter()
        .filter(|code| codes.contains(code))
    {
        groups.entry(status(code)).or_default().push(code);
    }
    groups
}

/// Returns the status of the responses with this code.
fn status(code: ErrorCode) -> StatusCode {
    ApiError(Problem::new(code, "")).status_code()
}

fn error_response(status: StatusCode, codes: &[ErrorCode]) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.name(), code.meaning()))
        .collect();
    let schema = match codes {
        [code] => reference(&problem_name(*code)),
        codes => one_of(codes.iter().map(|code| problem_name(*code))).into(),
    };
    let response = ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(JSON, Content::new(Some(schema)));
    let headers: &[HeaderPart] = match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            &[HeaderPart::RetryAfter]
        }
        StatusCode::UNAUTHORIZED => &[HeaderPart::WwwAuthenticate],
        StatusCode::METHOD_NOT_ALLOWED => &[HeaderPart::Allow],
        _ => &[],
    };
    with_headers(response, headers.iter()).build()
}

/// Adds the headers of every response and these.
fn with_headers<'a>(
    response: ResponseBuilder,
    headers: impl Iterator<Item = &'a HeaderPart>,
) -> ResponseBuilder {
    const ALWAYS: [HeaderPart; 2] = [HeaderPart::RequestId, HeaderPart::CacheControl];
    headers.chain(&ALWAYS).fold(response, |response, header| {
        response.header_ref(
            header.name(),
            Ref::new(format!("#/components/headers/{header:?}")),
        )
    })
}

fn request_body(schema: &'static str, method: &HttpMethod) -> RequestBody {
    let types: &[&str] = match method {
        HttpMethod::Patch => &[JSON, MERGE_PATCH],
        _ => &[JSON],
    };
    let body = RequestBodyBuilder::new().required(Some(Required::True));
    let with_content = |body: RequestBodyBuilder, media_type: &&str| {
        body.content(*media_type, Content::new(Some(reference(schema))))
    };
    types.iter().fold(body, with_content).build()
}
