//! The proxy that the environment names for the address of the service.

use std::env;

use ureq::Proxy;

use super::service_url::ServiceUrl;

/// Returns the proxy of the environment for this address: `https_proxy` for https, `http_proxy` for http, else `all_proxy`, in
/// small or capital letters, except for the hosts of `no_proxy`. The names and their order are those of curl; `ureq` itself
/// would also use the proxy of the other scheme.
pub(super) fn of_environment(url: &ServiceUrl) -> Option<Proxy> {
    choose(url.is_https(), |name| env::var(name).ok())
}

fn choose(is_https: bool, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let value = |name: &str| variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
    let of_scheme = if is_https {
        "https_proxy"
    } else {
        "http_proxy"
    };
    let address = value(of_scheme).or_else(|| value("all_proxy"))?;
    let proxy = Proxy::new(&address).ok()?;
    let mut chosen = Proxy::builder(proxy.protocol())
        .host(proxy.host())
        .port(proxy.port());
    if let Some(user) = proxy.username() {
        chosen = chosen.username(user);
    }
    if let Some(password) = proxy.password() {
        chosen = chosen.password(password);
    }
    let excluded = value("no_proxy").unwrap_or_default();
    let hosts = excluded.split(',').map(str::trim);
    hosts
        .filter(|host| !host.is_empty())
        .fold(chosen, ureq::ProxyBuilder::no_proxy)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use ureq::http::Uri;

    use super::*;

    fn chosen(is_https: bool, variables: &[(&str, &str)]) -> Option<Proxy> {
        choose(is_https, |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn host(is_https: bool, variables: &[(&str, &str)]) -> Option<String> {
        chosen(is_https, variables).map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn proxy_is_that_of_the_scheme() {
        let both = [("http_proxy", "http://a:1"), ("HTTPS_PROXY", "b:2")];
        assert_eq!(host(false, &both).as_deref(), Some("a:1"));
        assert_eq!(host(true, &both).as_deref(), Some("b:2"));
        assert_eq!(host(true, &both[..1]), None);
        assert_eq!(host(false, &both[1..]), None);
        let all = [("ALL_PROXY", "http://c:3"), both[0]];
        assert_eq!(host(false, &all).as_deref(), Some("a:1"));
        assert_eq!(host(true, &all).as_deref(), Some("c:3"));
        assert_eq!(host(true, &[("https_proxy", ""), all[0]]), None);
    }

    #[test]
    fn hosts_of_no_proxy_are_excluded_and_credentials_kept() {
        let variables = [
            ("http_proxy", "http://ana:p%40ss@a:1"),
            ("no_proxy", "localhost, .example.com"),
        ];
        let proxy = chosen(false, &variables).unwrap();
        assert_eq!(
            (proxy.username(), proxy.password()),
            (Some("ana"), Some("p@ss"))
        );
        for (uri, is_excluded) in [
            ("http://localhost/", true),
            ("http://vaults.example.com/", true),
            ("http://example.org/", false),
        ] {
            assert_eq!(
                proxy.is_no_proxy(&Uri::from_static(uri)),
                is_excluded,
                "{uri}"
            );
        }
    }
}
