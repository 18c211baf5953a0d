//! A copy of the HTTP request that opened a session, for later decisions of the application.
//!
//! It lives as long as its session, so it is kept small: the application [removes](OpenRequest::retain_headers) what it does
//! not need, and what remains is bounded. Header values are copied, because the originals are slices of the connection's
//! read buffer and would keep the whole buffer in memory.

use std::net::SocketAddr;

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

/// The largest size of a request that a session keeps, in bytes. It is the size that Node.js accepts for all headers.
const MAX_KEPT_BYTES: usize = 16 * 1024;

/// The request that opened a session: peer address, query and headers.
#[derive(Debug)]
pub struct OpenRequest {
    /// The address of the peer, which may be a proxy. `None` only without a network, as in tests.
    pub peer: Option<SocketAddr>,
    /// The query as it was sent, without the question mark.
    pub query: Box<str>,
    headers: Box<[(HeaderName, Box<[u8]>)]>,
}

impl OpenRequest {
    /// Copies address, query and headers from a request.
    pub fn from_http(request: &HttpRequest) -> Self {
        let copy =
            |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.as_bytes().into());
        Self {
            peer: request.peer_addr(),
            query: request.query_string().into(),
            headers: request.headers().iter().map(copy).collect(),
        }
    }

    /// Returns the first value of a header, if it is UTF-8.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Returns all headers in a map. Each call builds a new map.
    pub fn headers(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                map.append(name.clone(), value);
            }
        }
        map
    }

    /// Replaces the value of each header by what `keep` returns, and removes the header if that is `None`.
    pub fn retain_headers(&mut self, keep: impl Fn(&HeaderName, &[u8]) -> Option<Vec<u8>>) {
        let kept = std::mem::take(&mut self.headers)
            .into_iter()
            .filter_map(|(name, value)| {
                let value = keep(&name, &value)?;
                Some((name, value.into_boxed_slice()))
            });
        self.headers = kept.collect();
    }

    /// Returns whether the request is small enough to be kept.
    pub(super) fn may_be_kept(&self) -> bool {
        let headers = self.headers.iter();
        let size = |(name, value): &(HeaderName, Box<[u8]>)| name.as_str().len() + value.len();
        self.query.len() + headers.map(size).sum::<usize>() <= MAX_KEPT_BYTES
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header, test::TestRequest};

    use super::*;

    #[test]
    fn every_header_is_kept_including_repeated_ones() {
        let request = TestRequest::with_uri("/socket.io/?EIO=4")
            .insert_header((header::ORIGIN, "https://example.org"))
            .append_header((header::COOKIE, "a=1"))
            .append_header((header::COOKIE, "b=2"))
            .to_http_request();
        let copy = OpenRequest::from_http(&request);

        assert_eq!(&*copy.query, "EIO=4");
        assert_eq!(copy.header(&header::ORIGIN), Some("https://example.org"));
        assert_eq!(copy.header(&header::AUTHORIZATION), None);
        let headers = copy.headers();
        let cookies: Vec<_> = headers.get_all(header::COOKIE).collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }

    #[test]
    fn application_keeps_parts_of_headers() {
        let request = TestRequest::default()
            .insert_header((header::USER_AGENT, "x".repeat(MAX_KEPT_BYTES)))
            .append_header((header::COOKIE, "a=1; b=2"))
            .to_http_request();
        let mut copy = OpenRequest::from_http(&request);
        assert!(!copy.may_be_kept());
        copy.retain_headers(|name, value| (name == header::COOKIE).then(|| value[..3].to_vec()));
        assert!(copy.may_be_kept());
        assert_eq!(copy.headers().len(), 1);
        assert_eq!(copy.header(&header::COOKIE), Some("a=1"));
    }
}
