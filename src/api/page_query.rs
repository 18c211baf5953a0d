//! The query parameters of requests: `?limit`, `?cursor` and `?since` of listings, and `?userId` of a member.

use std::{
    future::{Ready, ready},
    ops::RangeInclusive,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use url::form_urlencoded;

use crate::{
    contract::problem::Problem,
    domain::{Seq, Timestamp, VaultId, ids::MembershipId},
    journal::MemberKey,
};

use super::error::ApiError;

/// The largest sequence number that a client can pass. The database stores 63 bits, and the numbers after it
/// must fit as well.
pub const MAX_SEQ: u64 = i64::MAX as u64 / 2;

/// The number of rows of a page.
pub const LIMITS: RangeInclusive<u64> = 1..=500;

/// The number of rows of a page without `limit`.
pub const DEFAULT_LIMIT: usize = 100;

const NOT_A_CURSOR: &str = "must be the nextCursor of the previous page";

/// The query as the client sent it. It is checked when the handler reads a parameter; unknown parameters are
/// ignored.
pub struct PageQuery(Vec<(String, String)>);

impl PageQuery {
    /// Returns the query of a request.
    pub fn of(request: &HttpRequest) -> Self {
        let query = form_urlencoded::parse(request.query_string().as_bytes());
        Self(query.into_owned().collect())
    }

    /// Returns a parameter as it was sent.
    ///
    /// # Errors
    /// `VALIDATION_FAILED` if it is given twice.
    pub fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        self.parsed(name, "", |text| Some(text.to_owned()))
    }

    /// Returns the number of rows: 1 to 500, 100 by default.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let message = "must be a number from 1 to 500";
        let limit = self.number("limit", LIMITS, message)?;
        Ok(limit.map_or(DEFAULT_LIMIT, |limit| limit as usize))
    }

    /// Returns the cursor of a page of sources.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn source_cursor(&self) -> Result<Option<Seq>, ApiError> {
        Ok(self.number("cursor", 0..=MAX_SEQ, NOT_A_CURSOR)?.map(Seq))
    }

    /// Returns the cursor of a page of vaults.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn vault_cursor(&self) -> Result<Option<VaultId>, ApiError> {
        self.parsed("cursor", NOT_A_CURSOR, VaultId::parse)
    }

    /// Returns the cursor of a page of members.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn member_cursor(&self) -> Result<Option<MemberKey>, ApiError> {
        self.parsed("cursor", NOT_A_CURSOR, parse_member_cursor)
    }

    /// Returns the number of the event after which the listing starts; 0 by default.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn since(&self) -> Result<Seq, ApiError> {
        let since = self.number("since", 0..=MAX_SEQ, "must be a sequence number")?;
        Ok(since.map_or(Seq::ZERO, Seq))
    }

    /// Returns a parameter that must be a whole number in decimal digits.
    fn number(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
        message: &str,
    ) -> Result<Option<u64>, ApiError> {
        let in_range = |number: &u64| range.contains(number);
        self.parsed(name, message, |text| parse_decimal(text).filter(in_range))
    }

    /// Returns a parsed parameter. A parameter that is given twice is an error, because its meaning is ambiguous.
    fn parsed<T>(
        &self,
        name: &str,
        message: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let invalid = |message| Problem::invalid_field(name, message).into();
        let mut values = self.0.iter().filter(|(other, _)| other == name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(_), Some(_)) => Err(invalid("must be given once")),
            (Some((_, text)), None) => parse(text).ok_or_else(|| invalid(message)).map(Some),
        }
    }
}

fn parse_decimal(text: &str) -> Option<u64> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}

/// Returns the cursor of the page of members after the one with this key.
pub fn member_cursor(MemberKey { joined_at, id }: &MemberKey) -> String {
    format!("{}-{id}", joined_at.0)
}

fn parse_member_cursor(text: &str) -> Option<MemberKey> {
    let (joined_at, id) = text.split_once('-')?;
    Some(MemberKey {
        joined_at: Timestamp(parse_decimal(joined_at)?.try_into().ok()?),
        id: MembershipId::parse(id)?,
    })
}

impl FromRequest for PageQuery {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
