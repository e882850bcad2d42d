//! `docker search`: what a registry that has a search says, by the first version of the registry's
//! interface, `/v1/search`. Docker Hub still answers it, most others do not.

use reqwest::{StatusCode, Url};
use serde::Deserialize;

use super::auth::{Authenticator, Credentials};
use super::endpoint::Endpoint;
use super::transport::{Request, Transport, is_success};
use super::{ApiError, Code, Registries, RegistryError, body, challenge};
use crate::reference::DEFAULT_DOMAIN;

/// Where docker.io's search is.
const DEFAULT_INDEX: &str = "https://index.docker.io/";
/// Bytes of an answer that are read.
const ANSWER_LIMIT: u64 = 4 << 20;

/// A repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Without the registry's name.
    pub name: String,
    /// One line.
    pub description: String,
    /// How many people like it.
    pub star_count: i64,
    /// Of the registry's own.
    pub is_official: bool,
    /// Built by the registry itself.
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    results: Option<Vec<Found>>,
}

impl Registries {
    /// Searches for `term`, in docker.io unless it begins with another registry's name and a slash.
    ///
    /// # Errors
    /// The registry's, or that there is none.
    pub async fn search(
        &self,
        term: &str,
        limit: u32,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<Found>, RegistryError> {
        let (domain, rest) = split(term);
        let mut last = RegistryError::protocol(domain, "malformed registry address");
        for endpoint in self.search_endpoints(domain).await {
            match search_at(self, &endpoint, rest, limit, credentials).await {
                Err(error @ RegistryError::Network { .. }) => last = error,
                done => return done,
            }
        }
        Err(last)
    }

    async fn search_endpoints(&self, domain: &str) -> Vec<Endpoint> {
        if domain != DEFAULT_DOMAIN {
            let mut endpoints = self.endpoints(domain).await;
            endpoints.retain(|endpoint| !endpoint.mirror);
            return endpoints;
        }
        let base = Url::parse(DEFAULT_INDEX).ok();
        base.map(|base| Endpoint { base, verify: true, mirror: false }).into_iter().collect()
    }
}

/// The registry, and what to look for.
fn split(term: &str) -> (&str, &str) {
    let (domain, rest) = match term.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_DOMAIN, term),
    };
    match domain {
        "index.docker.io" | DEFAULT_DOMAIN => {
            (DEFAULT_DOMAIN, rest.strip_prefix("library/").unwrap_or(rest))
        }
        domain => (domain, rest),
    }
}

async fn search_at(
    registries: &Registries,
    endpoint: &Endpoint,
    term: &str,
    limit: u32,
    credentials: Option<&Credentials>,
) -> Result<Vec<Found>, RegistryError> {
    let base = endpoint.base.to_string();
    let transport = Transport::new(registries, endpoint);
    let auth = Authenticator::new(credentials.cloned(), None);
    let mut url = (endpoint.base.join("v1/search"))
        .map_err(|_| RegistryError::protocol(&base, "malformed registry address"))?;
    url.query_pairs_mut().append_pair("q", term).append_pair("n", &limit.to_string());
    let mut is_challenged = false;
    let response = loop {
        let authorization = auth.header(&transport).await?;
        let request = Request { authorization, ..Request::get(url.clone()) };
        let response = transport.send(&request).await?;
        let status = response.status();
        if is_success(status) {
            break response;
        }
        let challenges = challenge::of(&response);
        if status == StatusCode::UNAUTHORIZED
            && !is_challenged
            && auth.challenged(&url, &challenges, request.authorization.as_ref()).await?
        {
            is_challenged = true;
            continue;
        }
        let text = body::of_error(response).await;
        let unknown = Code::Other("not found".to_owned());
        let mut error = ApiError::new(status.as_u16(), &challenges, &text, unknown, None);
        error.set_message(&format!("Unexpected status code {}", status.as_u16()));
        return Err(error.into());
    };
    let bytes = body::bounded(response, ANSWER_LIMIT).await?;
    let answer: Answer = serde_json::from_slice(&bytes)
        .map_err(|error| RegistryError::protocol(&base, error.to_string()))?;
    Ok(answer.results.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn terms_may_name_a_registry() {
        assert_eq!(split("busybox"), ("docker.io", "busybox"));
        assert_eq!(split("library/busybox"), ("docker.io", "busybox"));
        assert_eq!(split("docker.io/me/x"), ("docker.io", "me/x"));
        assert_eq!(split("me/x"), ("docker.io", "me/x"));
        assert_eq!(split("localhost:5000/x/y"), ("localhost:5000", "x/y"));
    }
}
