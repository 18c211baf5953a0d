//! The HTTP request that opened a session, as far as a later decision needs it.
//!
//! It lives as long as its session, which is why it is kept small: header values are copied, because the originals
//! are slices of the connection's read buffer and would keep all of it alive.

use std::net::SocketAddr;

use actix_web::{
    HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};

/// What is kept of the request that opened a session: who asked, from where, and with which query.
#[derive(Debug)]
pub struct OpenRequest {
    /// The address of the peer, which may be a proxy; unknown only where there is no network, as in tests.
    pub peer: Option<SocketAddr>,
    /// The query as it was sent, without the question mark.
    pub query: Box<str>,
    headers: Box<[(HeaderName, Box<[u8]>)]>,
}

impl OpenRequest {
    /// Copies what matters from a request.
    pub fn of(request: &HttpRequest) -> Self {
        let copy =
            |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.as_bytes().into());
        Self {
            peer: request.peer_addr(),
            query: request.query_string().into(),
            headers: request.headers().iter().map(copy).collect(),
        }
    }

    /// The first value of a header, where it is text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All headers, in a map that is built anew at each call.
    pub fn headers(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value).expect("it was a header's value before");
            map.append(name.clone(), value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{http::header, test::TestRequest};

    use super::*;

    #[test]
    fn every_header_is_kept_also_one_that_comes_twice() {
        let request = TestRequest::with_uri("/socket.io/?EIO=4")
            .insert_header((header::ORIGIN, "https://example.org"))
            .append_header((header::COOKIE, "a=1"))
            .append_header((header::COOKIE, "b=2"))
            .to_http_request();
        let kept = OpenRequest::of(&request);

        assert_eq!(&*kept.query, "EIO=4");
        assert_eq!(kept.header(&header::ORIGIN), Some("https://example.org"));
        assert_eq!(kept.header(&header::AUTHORIZATION), None);
        let headers = kept.headers();
        let cookies: Vec<_> = headers.get_all(header::COOKIE).collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }
}
