//! Proxies as the environment names them.

use crate::child::pull_in_child;
use crate::faulty::{Registry, Response, answer};
use crate::images::Image;

#[test]
fn the_environments_proxy_is_used_but_not_for_loopback() {
    let image = Image::small("x");
    let proxy = Registry::with_hook(image.content("a:latest"), |request, content| {
        let Some(path) = request.path.strip_prefix("http://registry.example") else {
            return Some(Response::error(502, "UNKNOWN"));
        };
        let mut request = request.clone();
        request.path = path.to_owned();
        Some(answer(&request, content))
    });
    let url = format!("http://{}", proxy.address);
    let proxies = [("HTTP_PROXY", url.as_str()), ("HTTPS_PROXY", &url), ("http_proxy", &url)];
    let root = tempfile::tempdir().expect("directory");
    let output = pull_in_child(root.path(), "registry.example/a", "registry.example", &proxies);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(proxy.requests()[0].method, "CONNECT", "https goes through a tunnel");
    assert_eq!(proxy.requests().len(), 4, "{:?}", proxy.requests());

    let direct = Registry::start(image.content("b:latest"));
    let name = format!("{}/b", direct.domain());
    let output = pull_in_child(root.path(), &name, "registry.example", &proxies);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(proxy.requests().len(), 4, "loopback went through the proxy");
}
