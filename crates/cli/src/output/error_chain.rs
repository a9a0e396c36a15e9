//! Formats an error with its causes in one line.

/// Returns the text of an error and of its causes, separated by colons. A cause whose text is already part of the text
/// is left out.
pub(crate) fn error_chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some errors already contain the text of their cause.
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
    fn quoted_causes_are_not_repeated() {
        let error = anyhow::anyhow!("no such file").context("cannot open x: no such file").context("index");
        assert_eq!(error_chain(&error), "index: cannot open x: no such file");
    }
}
