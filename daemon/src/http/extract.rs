//! What handlers take out of a request: the name in the path, the query, a JSON body, the API
//! version. Each refuses bad input with dockerd's status and text.

use std::convert::Infallible;
use std::str::FromStr;

use api_spec::filters::Filters;
use api_spec::version::{self, ApiVersion};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::http::error::Error;
use crate::http::limits::MAX_JSON_BYTES;

/// The name or id in the path, percent-decoded. Image names hold slashes.
#[derive(Debug, Clone)]
pub(crate) struct Name(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        (parts.extensions.get::<Self>().cloned()).ok_or_else(Error::page_not_found)
    }
}

/// The API version that the request speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Api(pub(crate) ApiVersion);

impl Api {
    /// True when the client speaks `1.minor` or newer.
    pub(crate) fn since(self, minor: u32) -> bool {
        self.0 >= ApiVersion::new(1, minor)
    }
}

impl<S: Sync> FromRequestParts<S> for Api {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or(Self(version::MAX)))
    }
}

/// The query string. As in dockerd the first value of a key counts, and unknown keys do not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key, true)?, decode(value, true)?))
        });
        pairs.collect::<Result<_, Error>>().map(Self)
    }

    /// The first value of a key, if the key is there.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.all(key).next()
    }

    /// Every value of a key.
    pub(crate) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of a key, empty when the key is absent.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.get(key).unwrap_or_default()
    }

    /// A boolean: absent, empty, `0`, `no`, `false` and `none` are false, all else is true.
    pub(crate) fn flag(&self, key: &str) -> bool {
        let value = self.text(key).trim().to_ascii_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// A number; absent and empty are none.
    pub(crate) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Error> {
        let value = self.text(key);
        if value.is_empty() {
            return Ok(None);
        }
        let quoted = || format!("strconv.Atoi: parsing {value:?}: invalid syntax");
        value.parse().map(Some).map_err(|_| Error::bad_request(quoted()))
    }

    /// The `filters` parameter.
    pub(crate) fn filters(&self) -> Result<Filters, Error> {
        Ok(Filters::parse(self.text("filters"))?)
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

/// Percent-decodes; in a query `+` is a space. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode(text: &str, plus_is_space: bool) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        bytes.push(match byte {
            b'+' if plus_is_space => b' ',
            b'%' => {
                let (digits, behind) = behind.split_at(behind.len().min(2));
                let value = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 2);
                let value = value.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let Some(value) = value.filter(|_| digits[0] != b'+') else {
                    let escape = format!("%{}", String::from_utf8_lossy(digits));
                    return Err(Error::bad_request(format!("invalid URL escape {escape:?}")));
                };
                rest = behind;
                value
            }
            other => *other,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A JSON body. `None`: the request has no body, which dockerd does not count as an error here.
#[derive(Debug, Clone)]
pub(crate) struct Json<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self, Error> {
        let empty = hyper::body::Body::size_hint(request.body()).exact() == Some(0);
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()));
        if !(empty && content_type.is_none()) {
            require_json(content_type.as_deref().unwrap_or_default())?;
        }
        if empty {
            return Ok(Self(None));
        }
        let bytes = read(request.into_body()).await?;
        parse_json(&bytes).map(|value| Self(Some(value)))
    }
}

async fn read(body: Body) -> Result<bytes::Bytes, Error> {
    let limited = Limited::new(body, MAX_JSON_BYTES).collect().await;
    limited.map(http_body_util::Collected::to_bytes).map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("request body is larger than {MAX_JSON_BYTES} bytes");
            Error::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        } else {
            Error::bad_request(format!("request body could not be read: {error}"))
        }
    })
}

fn require_json(content_type: &str) -> Result<(), Error> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.is_empty() {
        let message =
            format!("malformed Content-Type header ({content_type}): mime: no media type");
        return Err(Error::bad_request(message));
    }
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Error::bad_request(format!(
            "unsupported Content-Type header ({content_type}): must be 'application/json'"
        )));
    }
    Ok(())
}

/// Reads one JSON value and nothing behind it.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    if bytes.trim_ascii().is_empty() {
        return Err(Error::bad_request("invalid JSON: got EOF while reading request body"));
    }
    let mut values = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(&mut values).map_err(|error| {
        Error::bad_request(match error.is_eof() {
            true => "invalid JSON: unexpected EOF".to_owned(),
            false => format!("invalid JSON: {error}"),
        })
    })?;
    match values.end() {
        Ok(()) => Ok(value),
        Err(_) => Err(Error::bad_request("unexpected content after JSON")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read_as_go_reads_them() {
        let query = Query::parse("a=1&b=&c&d=no&e=x%2Fy+z&a=2&n=12&m=x").unwrap();
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert!(query.flag("a") && !query.flag("b") && !query.flag("c") && !query.flag("d"));
        assert_eq!(query.text("e"), "x/y z");
        assert_eq!(query.number::<i64>("n"), Ok(Some(12)));
        assert!(query.number::<i64>("m").is_err());
        for (query, escape) in [("a=%zz", "%zz"), ("a=%+1", "%+1"), ("a=%1", "%1"), ("%", "%")] {
            let error = Query::parse(query).unwrap_err();
            assert_eq!(error.message, format!("invalid URL escape \"{escape}\""));
        }
    }

    #[test]
    fn json_must_be_one_value() {
        assert_eq!(parse_json::<u8>(b" 1\n"), Ok(1));
        let text = |bytes: &[u8]| parse_json::<serde_json::Value>(bytes).unwrap_err().message;
        assert_eq!(text(b" "), "invalid JSON: got EOF while reading request body");
        assert_eq!(text(b"1 2"), "unexpected content after JSON");
        assert_eq!(text(b"{"), "invalid JSON: unexpected EOF");
        assert!(text(b"x").starts_with("invalid JSON: "));
    }
}
