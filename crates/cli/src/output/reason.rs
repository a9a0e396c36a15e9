//! Why something failed, in one line.

/// An error and its causes. Many errors quote their cause already; those causes are not said twice.
pub(crate) fn reason(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(cause.trim()) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(cause.trim());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_named_once() {
        let error = anyhow::anyhow!("no such file").context("cannot open x: no such file").context("index");
        assert_eq!(reason(&error), "index: cannot open x: no such file");
    }
}
