//! Reads a time from the text of its column, whatever the type of the column: the expiry of a session, and the times of imported
//! rows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The latest time of a JavaScript `Date`, in milliseconds.
const MAX_TIME: f64 = 8.64e15;

/// Smaller numbers count seconds: as milliseconds they would be times before 1973.
const MIN_MILLISECONDS: f64 = 1e11;

/// Formats of a date and a time after its `T` was replaced, with and without a zone.
const ZONED: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f %#z"];
const WITHOUT_ZONE: &str = "%Y-%m-%d %H:%M:%S%.f";

/// Parses a time: a date, with or without a time of day, in UTC unless it has a zone; `infinity`; or a number of
/// milliseconds or seconds since 1970. Times outside the range of JavaScript become its first or last time.
pub fn parse_stored_time(text: &str) -> Option<SystemTime> {
    let milliseconds = match text.parse::<f64>() {
        Ok(number) if number.abs() < MIN_MILLISECONDS => number * 1000.0,
        Ok(number) => number,
        Err(_) => parse_date_and_time(text)?,
    };
    let milliseconds = milliseconds.clamp(0.0, MAX_TIME);
    (!milliseconds.is_nan()).then(|| UNIX_EPOCH + Duration::from_millis(milliseconds as u64))
}

/// Returns a time in milliseconds since 1970.
fn parse_date_and_time(text: &str) -> Option<f64> {
    // PostgreSQL writes years before 1 with a suffix, and years after 9999 with more digits.
    if text.ends_with(" BC") {
        return Some(f64::NEG_INFINITY);
    }
    let (year, rest) = text.split_once('-')?;
    let is_far = year.len() > 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    let near;
    let text = if is_far {
        // The rest must still be a date. February 29 exists in 9996.
        near = format!("9996-{rest}");
        &near
    } else {
        text
    };
    let time = parse_common_era(text)?;
    Some(if is_far { f64::INFINITY } else { time })
}

fn parse_common_era(text: &str) -> Option<f64> {
    let text = text.replacen('T', " ", 1).replacen('Z', "+00", 1);
    let zoned = |format| DateTime::parse_from_str(&text, format).ok();
    let time = ZONED
        .into_iter()
        .find_map(zoned)
        .map(|time| time.naive_utc())
        .or_else(|| NaiveDateTime::parse_from_str(&text, WITHOUT_ZONE).ok())
        .or_else(|| {
            let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?;
            date.and_hms_opt(0, 0, 0)
        })?;
    Some(time.and_utc().timestamp_millis() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_parsed_in_every_stored_format() {
        let expiry = UNIX_EPOCH + Duration::from_millis(1_900_000_000_500);
        for text in [
            "1900000000500",
            "1900000000500.0",
            "1900000000.5",
            "2030-03-17T17:46:40.500Z",
            "2030-03-17T17:46:40.500+00:00",
            "2030-03-17T19:46:40.500+02:00",
            "2030-03-17 17:46:40.500",
            "2030-03-17T17:46:40.5",
            "2030-03-17 17:46:40.5+00",
            "2030-03-17 23:16:40.5+05:30",
            "2030-03-17 17:46:40.500 +00:00",
        ] {
            assert_eq!(parse_stored_time(text), Some(expiry), "{text}");
        }
        let whole = UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        for text in ["2030-03-17 17:46:40", "1900000000"] {
            assert_eq!(parse_stored_time(text), Some(whole), "{text}");
        }
        let midnight = UNIX_EPOCH + Duration::from_secs(1_899_936_000);
        assert_eq!(parse_stored_time("2030-03-17"), Some(midnight));
    }

    #[test]
    fn expiry_outside_the_range_of_javascript_is_its_first_or_last_time() {
        for text in ["-5", "-infinity", "0044-03-15 00:00:00 BC", "0001-01-01"] {
            assert_eq!(parse_stored_time(text), Some(UNIX_EPOCH), "{text}");
        }
        let last = UNIX_EPOCH + Duration::from_millis(MAX_TIME as u64);
        for text in ["infinity", "294276-02-29 23:59:59.999+00", "10000-01-01"] {
            assert_eq!(parse_stored_time(text), Some(last), "{text}");
        }
    }

    #[test]
    fn text_without_a_time_is_rejected() {
        for text in [
            "",
            "soon",
            "NaN",
            "2030-13-17 17:46:40",
            "17:46:40",
            "99999-13-01",
            "1 day",
        ] {
            assert_eq!(parse_stored_time(text), None, "{text}");
        }
    }
}
