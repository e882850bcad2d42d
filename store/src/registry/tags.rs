//! The list of a repository's tags, page by page.

use reqwest::Url;
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use super::repository::Repository;
use super::transport::shown;
use super::{Code, RegistryError, body};

const PAGE_TAGS: u32 = 1000;
const PAGE_LIMIT: u64 = 4 * 1024 * 1024;
/// Pages beyond this are an error: nobody pulls a million tags.
const PAGES_LIMIT: u32 = 100;

#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

impl Repository {
    /// All tags, in the registry's order.
    pub(crate) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let mut tags = Vec::new();
        let mut ask = self.ask(&format!("tags/list?n={PAGE_TAGS}"), Code::NameUnknown)?;
        for _ in 0..PAGES_LIMIT {
            let response = self.request(&ask).await?;
            let next = next_page(&ask.url, response.headers());
            let body = body::bounded(response, PAGE_LIMIT).await?;
            let page: Page = serde_json::from_slice(&body)
                .map_err(|error| RegistryError::protocol(shown(&ask.url), error.to_string()))?;
            tags.extend(page.tags.unwrap_or_default());
            match next {
                Some(url) => ask.url = url,
                None => return Ok(tags),
            }
        }
        Err(RegistryError::protocol(shown(&ask.url), "too many tags"))
    }
}

/// `Link: <url>; rel="next"` (RFC 8288), if it stays at the same origin.
fn next_page(current: &Url, headers: &HeaderMap) -> Option<Url> {
    let links = headers.get(LINK)?.to_str().ok()?;
    let link =
        links.split(',').find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    let target = link.trim().strip_prefix('<')?.split('>').next()?;
    let url = current.join(target).ok()?;
    (url.origin() == current.origin()).then_some(url)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn the_next_page_stays_at_the_registry() {
        let current = Url::parse("https://x/v2/a/tags/list?n=1").expect("url");
        let next = |text: &'static str| {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(text))]);
            next_page(&current, &headers).map(|url| url.to_string())
        };
        let expected = Some("https://x/v2/a/tags/list?n=1&last=b".to_owned());
        assert_eq!(next("</v2/a/tags/list?n=1&last=b>; rel=\"next\""), expected);
        assert_eq!(next("<https://y/v2/>; rel=\"next\""), None);
        assert_eq!(next("</v2/>; rel=\"prev\""), None);
    }
}
