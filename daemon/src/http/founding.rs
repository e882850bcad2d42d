//! The two endpoints that came before the Docker API: run and exec in one request each.

pub(crate) mod exec;
pub(crate) mod run;

use serde::Deserialize;

/// A command: words, or one text for the shell.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Command {
    Words(Vec<String>),
    Shell(String),
}

impl Command {
    fn words(self) -> Vec<String> {
        match self {
            Self::Words(words) => words,
            Self::Shell(text) if text.is_empty() => Vec::new(),
            Self::Shell(text) => vec!["/bin/sh".to_owned(), "-c".to_owned(), text],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_the_shell_s() {
        let read = |text: &str| serde_json::from_str::<Command>(text).unwrap().words();
        assert_eq!(read(r#"["ls","-l"]"#), ["ls", "-l"]);
        assert_eq!(read(r#""ls -l""#), ["/bin/sh", "-c", "ls -l"]);
        assert!(read(r#""""#).is_empty());
    }
}
