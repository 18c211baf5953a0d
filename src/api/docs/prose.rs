//! Texts of the documents as HTML: paragraphs, lists of lines that begin with `- `, and code between backticks.

use maud::{Markup, html};

/// Returns a text of several paragraphs.
pub fn prose(text: &str) -> Markup {
    html! {
        @for block in text.split("\n\n").filter(|block| !block.is_empty()) {
            @if block.starts_with("- ") {
                ul.prose {
                    @for item in block.lines() { li { (inline(item.trim_start_matches("- "))) } }
                }
            } @else {
                p { (inline(block)) }
            }
        }
    }
}

/// Returns a text of one paragraph.
pub fn inline(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
