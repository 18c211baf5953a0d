//! Which rows of a listing are wanted: `?limit`, `?cursor` and `?since`.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use url::form_urlencoded;

use crate::{domain::Seq, problem::Problem};

use super::error::ApiError;

/// The largest place that can be asked for: the database counts in 63 bits, and there has to be room for what follows.
const LAST: u64 = i64::MAX as u64 / 2;

/// The query as it was sent, not judged before the handler asks. Parameters that no listing knows are ignored.
pub struct Page(Vec<(String, String)>);

impl Page {
    /// How many rows: 1 to 500, by default 100.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let message = "must be a number from 1 to 500";
        let limit = self.number("limit", 1, 500, message)?;
        Ok(limit.map_or(100, |limit| limit as usize))
    }

    /// Where the page begins.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn cursor(&self) -> Result<Option<Seq>, ApiError> {
        let message = "must be the nextCursor of the page before";
        Ok(self.number("cursor", 0, LAST, message)?.map(Seq))
    }

    /// After which event; from the first by default.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn since(&self) -> Result<Seq, ApiError> {
        let since = self.number("since", 0, LAST, "must be a sequence number")?;
        Ok(since.map_or(Seq::ZERO, Seq))
    }

    /// A whole number in decimal digits, or none; one that is given twice is wrong, for nobody can tell which is meant.
    fn number(
        &self,
        name: &str,
        least: u64,
        most: u64,
        message: &str,
    ) -> Result<Option<u64>, ApiError> {
        let wrong = |message| Err(Problem::invalid_field(name, message).into());
        let mut given = self.0.iter().filter(|(other, _)| other == name);
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => wrong("must be given once"),
            (Some((_, text)), None) => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(n) if digits && (least..=most).contains(&n) => Ok(Some(n)),
                    Ok(_) | Err(_) => wrong(message),
                }
            }
        }
    }
}

impl FromRequest for Page {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let query = form_urlencoded::parse(request.query_string().as_bytes());
        ready(Ok(Self(query.into_owned().collect())))
    }
}
