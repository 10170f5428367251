//! How long a caller is willing to wait.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use crate::status::{Code, Status};

/// The smallest of the timeouts that the headers name: `grpc-timeout` (gRPC), `connect-timeout-ms`
/// (Connect) and `x-request-timeout` (seconds, decimals allowed).
///
/// # Errors
/// When one of them cannot be read.
pub(super) fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let mut smallest = None;
    // One walk over the few headers that there are costs less than to look for each name.
    for (name, value) in headers {
        let Some((_, parse, form)) = SOURCES.iter().find(|(known, ..)| known == name) else { continue };
        let timeout = value.to_str().ok().and_then(parse).ok_or_else(|| {
            Status::caller(Code::InvalidArgument, format!("The header {name} is not valid: {form}."))
        })?;
        smallest = Some(smallest.map_or(timeout, |other: Duration| other.min(timeout)));
    }
    Ok(smallest)
}

type Source = (HeaderName, fn(&str) -> Option<Duration>, &'static str);

static SOURCES: [Source; 3] = [
    (
        HeaderName::from_static("grpc-timeout"),
        grpc,
        "at most eight digits and a unit of H, M, S, m, u or n are needed, such as 500m",
    ),
    (
        HeaderName::from_static("connect-timeout-ms"),
        connect,
        "at most ten digits are needed, in milliseconds",
    ),
    (HeaderName::from_static("x-request-timeout"), seconds, "seconds are needed, such as 2.5"),
];

fn grpc(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let value = integer(digits, 8)?;
    Some(match unit {
        "H" => Duration::from_secs(value * 3600),
        "M" => Duration::from_secs(value * 60),
        "S" => Duration::from_secs(value),
        "m" => Duration::from_millis(value),
        "u" => Duration::from_micros(value),
        "n" => Duration::from_nanos(value),
        _ => return None,
    })
}

fn connect(text: &str) -> Option<Duration> {
    integer(text, 10).map(Duration::from_millis)
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let nanos = integer(fraction, 9)? * 10_u64.pow(9 - fraction.len() as u32);
    Some(Duration::new(integer(whole, 9)?, nanos as u32))
}

fn integer(text: &str, max_digits: usize) -> Option<u64> {
    let is_number = (1..=max_digits).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(headers: &[(&'static str, &'static str)]) -> Result<Option<Duration>, String> {
        let headers = headers
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        timeout(&headers.collect()).map_err(|status| status.message().to_owned())
    }

    #[test]
    fn the_smallest_timeout_counts() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("grpc-timeout", "2S")]), Ok(Some(Duration::from_secs(2))));
        assert_eq!(read(&[("grpc-timeout", "99999999H")]), Ok(Some(Duration::from_secs(99_999_999 * 3600))));
        assert_eq!(read(&[("connect-timeout-ms", "250")]), Ok(Some(Duration::from_millis(250))));
        assert_eq!(read(&[("x-request-timeout", "1.05")]), Ok(Some(Duration::from_millis(1050))));
        let all = [("grpc-timeout", "2S"), ("connect-timeout-ms", "300"), ("x-request-timeout", "1")];
        assert_eq!(read(&all), Ok(Some(Duration::from_millis(300))));
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for value in ["", "S", "1", "123456789S", "-1S", "1.5S", "1 S", "1s"] {
            let found = read(&[("grpc-timeout", value)]);
            let expected = "The header grpc-timeout is not valid: at most eight digits and a unit of H, M, S, m, u \
                            or n are needed, such as 500m.";
            assert_eq!(found, Err(expected.into()), "{value:?}");
        }
        for value in ["-1", "1e3", "1.", ".5", "soon", "1.0000000001"] {
            let expected = "The header x-request-timeout is not valid: seconds are needed, such as 2.5.";
            assert_eq!(read(&[("x-request-timeout", value)]), Err(expected.into()), "{value:?}");
        }
        let expected =
            "The header connect-timeout-ms is not valid: at most ten digits are needed, in milliseconds.";
        assert_eq!(read(&[("connect-timeout-ms", "1s")]), Err(expected.into()));
    }
}
