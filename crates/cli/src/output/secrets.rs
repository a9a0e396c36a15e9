//! Removes passwords in URLs from text before it is printed.

/// Query parameters whose values are secrets in the URL of a database.
const SECRET_PARAMETERS: [&str; 2] = ["password=", "sslpassword="];

/// Returns a text in which the passwords in URLs are replaced by `…`. Errors of the catalog contain no passwords. This
/// function is needed for texts of libraries that quote their input, such as the parsers of the command line and of the
/// settings file.
pub(crate) fn redact_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        // In messages, a URL ends at white space or a quotation mark.
        let end = url.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(url.len());
        clean.push_str(before);
        clean.push_str(&without_password(&url[..end]));
        rest = &url[end..];
    }
    clean + rest
}

/// Replaces the password in a URL, which is given without its scheme. The host starts after the last `@`, because a
/// password can contain an unescaped `@` or `/`.
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
    fn passwords_are_removed_and_other_text_is_kept() {
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
            assert_eq!(redact_secrets(text), clean);
        }
    }
}
