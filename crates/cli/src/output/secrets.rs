//! Passwords in URLs: nothing that is printed for people repeats one.

/// Parameters of a URL that are secrets.
const SECRET_PARAMETERS: [&str; 2] = ["password=", "sslpassword="];

/// A text in which URLs have lost their passwords. Errors name catalogues without them already; this is for what
/// others quote, such as the parsers of command line and settings file.
pub(crate) fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        let end = url.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(url.len());
        clean.push_str(before);
        clean.push_str(&without_password(&url[..end]));
        rest = &url[end..];
    }
    clean + rest
}

/// What follows the scheme. A password may itself have a `@` or a `/` that should have been escaped.
fn without_password(url: &str) -> String {
    let (user, host) = url.rsplit_once('@').map_or(("", url), |(user, host)| (user, host));
    let host = SECRET_PARAMETERS.iter().fold(host.to_owned(), |host, parameter| match host.find(parameter) {
        None => host,
        Some(at) => {
            let value = at + parameter.len();
            let end = host[value..].find('&').map_or(host.len(), |end| value + end);
            format!("{}…{}", &host[..value], &host[end..])
        }
    });
    match user.split_once(':') {
        Some((name, _)) => format!("{name}:…@{host}"),
        None if user.is_empty() => host,
        None => format!("{user}@{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_and_the_rest_stays() {
        for (text, clean) in [
            ("cannot open postgres://ann:hush@db/x: no", "cannot open postgres://ann:…@db/x: no"),
            (
                "'postgres://ann:hu@sh/h@db/x' and \"redis://:hush@h\"",
                "'postgres://ann:…@db/x' and \"redis://:…@h\"",
            ),
            (
                "postgres://ann@db/x?password=hush&sslmode=require",
                "postgres://ann@db/x?password=…&sslmode=require",
            ),
            ("postgres://db/x see https://example.org/a@b", "postgres://db/x see https://example.org/a@b"),
            ("a:b@c, 10:30 ://", "a:b@c, 10:30 ://"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(text), clean);
        }
    }
}
