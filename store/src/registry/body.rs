//! Answers that are read whole, up to a limit.

use reqwest::{Method, Response};

use super::RegistryError;
use super::transport::{network, shown};

/// Largest document of errors that is read, in bytes; the rest is not looked at.
const ERROR_LIMIT: usize = 64 * 1024;

/// The body, if it has at most `limit` bytes.
pub(crate) async fn bounded(mut response: Response, limit: u64) -> Result<Vec<u8>, RegistryError> {
    let what = shown(response.url());
    let too_large = || RegistryError::TooLarge { what: what.clone(), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut response).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The next bytes of a body.
pub(crate) async fn chunk(response: &mut Response) -> Result<Option<bytes::Bytes>, RegistryError> {
    match response.chunk().await {
        Ok(chunk) => Ok(chunk),
        Err(error) => Err(network(&Method::GET, response.url(), error)),
    }
}

/// As much of an error's body as is worth reading; a broken one counts as its beginning.
pub(crate) async fn of_error(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ERROR_LIMIT - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ERROR_LIMIT {
            break;
        }
    }
    body
}
