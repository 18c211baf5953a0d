//! Lists of ETags in `If-Match` and `If-None-Match`.
//!
//! The ETag of a source is the number of its last event in quotes: `"7"`. A proxy that compresses responses changes ETags,
//! because its bytes are not those of the service: nginx, Cloudflare and Varnish send `W/"7"`; Apache, Caddy and Jetty add the
//! coding (`"7-gzip"`, `"7--gzip"`), LiteSpeed too (`"7;gz"`). Clients return what they received, so these forms are the version 7.

use crate::domain::Seq;

/// The value of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`: any version.
    Any,
    /// The versions that the ETags of a list name. An ETag that is not of this service names none.
    Versions(Vec<Seq>),
    /// Neither `*` nor a list of ETags.
    Malformed,
}

impl EntityTags {
    /// Parses the value of a header, its lines joined by commas (RFC 9110, section 13.1.1).
    pub fn parse(value: &str) -> Self {
        let mut rest = after_separators(value);
        if rest.trim_end_matches(BLANKS) == "*" {
            return Self::Any;
        }
        let (mut versions, mut is_malformed) = (Vec::new(), rest.is_empty());
        while !rest.is_empty() && !is_malformed {
            match split_tag(rest) {
                Some((tag, after)) => {
                    versions.extend(version(tag));
                    rest = after_separators(after);
                    // Two ETags without a comma between them are not a list.
                    is_malformed = !rest.is_empty() && !has_comma(after);
                }
                None => is_malformed = true,
            }
        }
        match is_malformed {
            true => Self::Malformed,
            false => Self::Versions(versions),
        }
    }

    /// Returns whether the version is one of these.
    pub fn contains(&self, seq: Seq) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&seq),
            Self::Malformed => false,
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// What proxies put between the version and the name of a content coding.
const CODING_SEPARATORS: [&str; 4] = ["--", "-", ";", ":"];

/// The content codings of HTTP, and `gz` as LiteSpeed abbreviates one.
const CODINGS: [&str; 9] = [
    "gzip", "br", "zstd", "deflate", "compress", "gz", "x-gzip", "dcb", "dcz",
];

/// Returns what follows the commas and blanks at the start. A list may have empty elements.
fn after_separators(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', ','])
}

fn has_comma(text: &str) -> bool {
    text.trim_start_matches(BLANKS).starts_with(',')
}

/// Splits the first ETag off a text: what is between its quotes, and the rest of the text.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let quoted = text.strip_prefix("W/").unwrap_or(text).strip_prefix('"')?;
    let (tag, rest) = quoted.split_once('"')?;
    let is_tag_char = |c: char| !c.is_ascii_control() && c != ' ';
    tag.chars().all(is_tag_char).then_some((tag, rest))
}

/// Returns the version that an ETag names, if it is one of this service, with or without a coding.
fn version(tag: &str) -> Option<Seq> {
    let end = tag.find(|c: char| !c.is_ascii_digit()).unwrap_or(tag.len());
    let (digits, suffix) = tag.split_at(end);
    let seq: u64 = digits.parse().ok()?;
    let names_coding = |separator| {
        let coding = suffix.strip_prefix(separator);
        coding.is_some_and(|coding| CODINGS.contains(&coding))
    };
    let is_own = seq.to_string() == digits
        && (suffix.is_empty() || CODING_SEPARATORS.into_iter().any(names_coding));
    is_own.then_some(Seq(seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(seqs: &[u64]) -> EntityTags {
        EntityTags::Versions(seqs.iter().copied().map(Seq).collect())
    }

    #[test]
    fn list_names_versions() {
        for (value, seqs) in [
            (r#""7""#, &[7][..]),
            (r#" "7" , "8","9"	"#, &[7, 8, 9]),
            (r#",, "7",,"8", "#, &[7, 8]),
            (r#""0""#, &[0]),
        ] {
            assert_eq!(EntityTags::parse(value), versions(seqs), "{value}");
        }
        assert_eq!(EntityTags::parse(" * "), EntityTags::Any);
    }

    #[test]
    fn etag_that_a_compressing_proxy_changed_names_its_version() {
        for tag in [
            r#"W/"7""#,
            r#""7-gzip""#,
            r#""7--gzip""#,
            r#""7;gzip""#,
            r#""7;gz""#,
            r#""7:gzip""#,
            r#""7-br""#,
            r#""7-zstd""#,
            r#"W/"7-gzip""#,
        ] {
            assert_eq!(EntityTags::parse(tag), versions(&[7]), "{tag}");
        }
        let list = EntityTags::parse(r#"W/"7", "8-gzip", "9""#);
        assert_eq!(list, versions(&[7, 8, 9]));
    }

    #[test]
    fn foreign_etags_name_no_version() {
        for tag in [
            r#""""#,
            r#""+7""#,
            r#""07""#,
            r#""seven""#,
            r#""7 ,""#,
            r#""99999999999999999999""#,
            r#""7-""#,
            r#""7-gzipped""#,
            r#""7gzip""#,
            r#""-gzip""#,
            r#""7-gzip-br""#,
            r#""ü""#,
            r#""*""#,
        ] {
            let parsed = EntityTags::parse(tag);
            assert!(!parsed.contains(Seq(7)), "{tag}: {parsed:?}");
        }
        assert_eq!(EntityTags::parse(r#""a,b", "8""#), versions(&[8]));
    }

    #[test]
    fn anything_else_is_malformed() {
        for value in [
            "",
            " , ",
            "7",
            "'7'",
            r#""7"#,
            r#"7""#,
            r#""7"x"#,
            r#""7" "8""#,
            r#"w/"7""#,
            r#"W/7"#,
            r#"W/ "7""#,
            "**",
            r#"*, "7""#,
            r#""7", *"#,
            r#""7", 8"#,
            "undefined",
        ] {
            assert_eq!(EntityTags::parse(value), EntityTags::Malformed, "{value}");
        }
    }
}
