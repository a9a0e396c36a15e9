//! Tests of the cookies of a stream.

use cookie::time::Duration;
use proptest::prelude::*;

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(20_000));

fn jar(from: &str, cookies: &[&str]) -> CookieJar {
    let mut jar = CookieJar::default();
    for text in cookies {
        jar.store(&Url::parse(from).unwrap(), text, NOW);
    }
    jar
}

fn sent(jar: &CookieJar, to: &str, now: OffsetDateTime) -> String {
    let cookies = jar.matching(&Url::parse(to).unwrap(), now);
    let pairs: Vec<_> = cookies.iter().map(|c| format!("{}={}", c.name, c.value)).collect();
    pairs.join("; ")
}

#[test]
fn cookie_without_domain_is_bound_to_host_and_port() {
    let jar = jar("http://a.example:8080/live/x.m3u8", &["s=1; Path=/"]);
    assert_eq!(sent(&jar, "http://a.example:8080/1.ts", NOW), "s=1");
    for other in ["http://a.example/1.ts", "http://b.a.example:8080/1.ts", "http://example:8080/1.ts"] {
        assert_eq!(sent(&jar, other, NOW), "", "{other}");
    }
}

#[test]
fn cookie_with_domain_is_sent_to_subdomains() {
    let jar = jar("https://www.a.example/", &["s=1; Domain=.A.example"]);
    for to in ["https://a.example/", "https://cdn.a.example:444/x"] {
        assert_eq!(sent(&jar, to, NOW), "s=1", "{to}");
    }
    for to in ["https://ba.example/", "https://example/", "http://a.example/"] {
        assert_eq!(sent(&jar, to, NOW), "", "{to}");
    }
}

#[test]
fn cookies_for_other_domains_are_ignored() {
    for (from, text) in [
        ("https://a.example/", "s=1; Domain=b.example"),
        ("https://a.example/", "s=1; Domain=x.a.example"),
        ("https://a.example/", "s=1; Domain=example"),
        ("https://10.0.0.1/", "s=1; Domain=0.0.1"),
        ("http://a.example/", "s=1; Secure"),
        ("http://a.example/", "=1"),
        ("http://a.example/", "s"),
    ] {
        assert!(jar(from, &[text]).0.is_empty(), "{from} {text}");
    }
    assert_eq!(sent(&jar("http://10.0.0.1/", &["s=1; Domain=10.0.0.1"]), "http://10.0.0.1/", NOW), "s=1");
}

#[test]
fn path_limits_a_cookie_to_a_folder() {
    let jar = jar("http://a.example/live/one/x.m3u8", &["d=1", "p=2; Path=/live", "r=3; Path=/"]);
    assert_eq!(sent(&jar, "http://a.example/live/one/1.ts", NOW), "d=1; p=2; r=3");
    assert_eq!(sent(&jar, "http://a.example/live/two/1.ts", NOW), "p=2; r=3");
    assert_eq!(sent(&jar, "http://a.example/lively", NOW), "r=3");
}

#[test]
fn cookies_expire_and_are_replaced_or_removed() {
    let from = "http://a.example/";
    let mut jar = jar(from, &["a=1; Max-Age=60", "b=1", "b=2", "c=1", "c=x; Max-Age=0"]);
    assert_eq!(sent(&jar, from, NOW), "a=1; b=2");
    assert_eq!(sent(&jar, from, NOW + Duration::seconds(60)), "b=2");
    let past = "b=3; Expires=Wed, 21 Oct 2015 07:28:00 GMT";
    jar.store(&Url::parse(from).unwrap(), past, NOW + Duration::days(1));
    assert_eq!(sent(&jar, from, NOW), "a=1");
}

#[test]
fn number_and_length_of_cookies_are_limited() {
    let from = Url::parse("http://a.example/").unwrap();
    let mut jar = CookieJar::default();
    for number in 0..=MAX_COOKIES {
        jar.store(&from, &format!("c{number}=1"), NOW);
    }
    jar.store(&from, &format!("long={}", "x".repeat(MAX_COOKIE_BYTES)), NOW);
    assert_eq!(jar.0.len(), MAX_COOKIES);
    assert!(jar.0.iter().all(|stored| !["c0", "long"].contains(&stored.cookie.name.as_str())));
}

fn hosts() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a.example",
        "b.a.example",
        "ba.example",
        "c.example",
        "example",
        "10.0.0.1",
        "0.0.1",
    ])
}

fn urls() -> impl Strategy<Value = Url> {
    let schemes = prop::sample::select(vec!["http", "https"]);
    let ports = prop::sample::select(vec!["", ":80", ":443", ":8080"]);
    let paths = prop::sample::select(vec!["/", "/live", "/live/x.ts", "/lively/x.ts"]);
    (schemes, hosts(), ports, paths)
        .prop_map(|(scheme, host, port, path)| Url::parse(&format!("{scheme}://{host}{port}{path}")).unwrap())
}

proptest! {
    #[test]
    fn cookie_is_never_sent_outside_of_its_scope(
        from in urls(),
        to in urls(),
        domain in prop::option::of(hosts()),
        path in prop::sample::select(vec!["", "; Path=/", "; Path=/live"]),
    ) {
        let domain_text = domain.map(|domain| format!("; Domain={domain}")).unwrap_or_default();
        let jar = jar(from.as_str(), &[&format!("s=1{domain_text}{path}")]);
        if jar.matching(&to, NOW).is_empty() {
            return Ok(());
        }
        let (from_host, to_host) = (from.host_str().unwrap(), to.host_str().unwrap());
        match domain {
            None => prop_assert_eq!((from_host, from.port()), (to_host, to.port())),
            Some(domain) => {
                for host in [from_host, to_host] {
                    let is_below = host.ends_with(&format!(".{domain}")) && host != "10.0.0.1";
                    prop_assert!(host == domain || is_below, "{} {}", host, domain);
                }
            }
        }
        prop_assert!(from.scheme() == "http" || to.scheme() == "https");
    }

    #[test]
    fn invalid_cookies_are_ignored(text in "\\PC{0,200}", url in urls()) {
        let stored = jar(url.as_str(), &[&text]).matching(&url, NOW);
        prop_assert!(stored.len() <= 1);
    }
}
