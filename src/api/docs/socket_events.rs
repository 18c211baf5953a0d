//! The events of the AsyncAPI document as HTML.

use maud::{Markup, html};

use crate::contract::asyncapi::{
    AsyncApi, ChannelAction, ChannelMessage, ChannelOperation, Reference,
};

use super::{
    prose::inline,
    schema_view::{Schemas, expanded, type_of},
};

const DIRECTIONS: [(ChannelAction, &str); 2] = [
    (ChannelAction::Receive, "From the client"),
    (ChannelAction::Send, "From the server"),
];

fn with_action(
    asyncapi: &AsyncApi,
    action: ChannelAction,
) -> impl Iterator<Item = (&String, &ChannelOperation)> {
    asyncapi
        .operations
        .iter()
        .filter(move |(_, operation)| operation.action == action)
}

/// Returns the table of contents.
pub fn contents(asyncapi: &AsyncApi) -> Markup {
    html! {
        @for (action, heading) in DIRECTIONS {
            h3 { (heading) }
            ul {
                @for (id, operation) in with_action(asyncapi, action) {
                    li { a href={ "#event-" (id) } { (operation.title) } }
                }
            }
        }
    }
}

/// Returns every event.
pub fn events(asyncapi: &AsyncApi, schemas: &Schemas<'_>) -> Markup {
    html! {
        @for (action, heading) in DIRECTIONS {
            h3.tag { (heading) }
            @for (id, operation) in with_action(asyncapi, action) { (article(asyncapi, schemas, id, operation)) }
        }
    }
}

fn article(
    asyncapi: &AsyncApi,
    schemas: &Schemas<'_>,
    id: &str,
    operation: &ChannelOperation,
) -> Markup {
    html! {
        article.operation id={ "event-" (id) } {
            h4 {
                a.anchor href={ "#event-" (id) } {
                    @match operation.action {
                        ChannelAction::Receive => span.method.emit { "EMIT" },
                        ChannelAction::Send => span.method.on { "ON" },
                    }
                    " " span.path { (operation.title) }
                }
            }
            p.summary { (inline(&operation.summary)) }
            h5 { "Payload" }
            @for message in messages(asyncapi, &operation.messages) { (expanded(schemas, &message.payload)) }
            @if let Some(reply) = &operation.reply {
                h5 { "Answer" }
                ul.replies {
                    @for message in messages(asyncapi, &reply.messages) {
                        li { (type_of(&message.payload)) " " span.optional { (inline(&message.summary)) } }
                    }
                }
            }
        }
    }
}

/// Returns the messages that these references name.
fn messages<'a>(
    asyncapi: &'a AsyncApi,
    references: &'a [Reference],
) -> impl Iterator<Item = &'a ChannelMessage> {
    references.iter().filter_map(|reference| {
        let name = reference.target.rsplit('/').next()?;
        asyncapi.components.messages.get(name)
    })
}
