//! Flags and operands: `--name value`, `--name=value`, one dash as good as two. Pure.

use std::str::FromStr;

use super::Verb;
use super::error::CommandError;

/// A flag of a verb.
#[derive(Debug)]
pub(super) struct Flag {
    name: &'static str,
    short: Option<char>,
    /// What the value is called; `None` for a flag without one.
    value: Option<&'static str>,
    about: &'static str,
}

/// Flags and operands as they were given.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    flags: Vec<(&'static str, String)>,
    pub(super) operands: Vec<String>,
}

impl Flag {
    /// A flag that is there or not.
    pub(super) const fn plain(name: &'static str, about: &'static str) -> Self {
        Self { name, short: None, value: None, about }
    }

    /// A flag with a value.
    pub(super) const fn with(name: &'static str, value: &'static str, about: &'static str) -> Self {
        Self { name, short: None, value: Some(value), about }
    }

    /// The same flag by one letter too.
    pub(super) const fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    /// The same flag, but not shown.
    pub(super) const fn hidden(self) -> Self {
        Self { about: "", ..self }
    }

    fn is(&self, name: &str) -> bool {
        self.name == name || self.short.is_some_and(|letter| name.chars().eq([letter]))
    }
}

impl Parsed {
    pub(super) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, value)| *flag == name && value != "false")
    }

    /// The last value of a flag.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.all(name).last()
    }

    /// Every value of a flag, in order.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |(flag, _)| *flag == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a flag as a number.
    pub(super) fn number<N: FromStr>(&self, name: &str) -> Result<Option<N>, CommandError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| {
                CommandError::Usage(format!("invalid value {text:?} for flag --{name}"))
            })
        };
        self.value(name).map(parse).transpose()
    }

    /// The first operand: the container's id.
    pub(super) fn id(&self) -> &str {
        self.operands.first().map_or("", String::as_str)
    }
}

/// Flags up to the first operand, and the rest.
pub(super) fn parse_until_operand(
    flags: &'static [Flag],
    words: Vec<String>,
) -> Result<(Parsed, Vec<String>), CommandError> {
    let mut parsed = take(flags, words, true)?;
    let rest = std::mem::take(&mut parsed.operands);
    Ok((parsed, rest))
}

/// The flags and operands of a verb.
pub(super) fn parse(verb: &Verb, words: Vec<String>) -> Result<Parsed, CommandError> {
    let parsed = take(verb.flags, words, verb.ends_at_operand)?;
    let (fewest, most) = verb.count;
    let count = parsed.operands.len();
    if (count < fewest || count > most) && !parsed.has("help") {
        let Verb { name, operands, .. } = verb;
        let wanted = match (fewest, most) {
            (fewest, most) if fewest == most => format!("exactly {fewest}"),
            (fewest, most) if count < most => format!("a minimum of {fewest}"),
            (_, most) => format!("at most {most}"),
        };
        let why = format!("{name}: {wanted} argument(s) needed: {name} [flags] {operands}");
        return Err(CommandError::Usage(why));
    }
    Ok(parsed)
}

/// One line a flag.
pub(super) fn describe(flags: &[Flag]) -> String {
    let shown = flags.iter().filter(|flag| !flag.about.is_empty());
    let line = |flag: &Flag| {
        let short = flag.short.map(|letter| format!(", -{letter}")).unwrap_or_default();
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let left = format!("--{}{short}{value}", flag.name);
        format!("  {left:<28} {}\n", flag.about)
    };
    shown.map(line).collect()
}

fn take(
    flags: &'static [Flag],
    words: Vec<String>,
    until_operand: bool,
) -> Result<Parsed, CommandError> {
    let mut parsed = Parsed::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            parsed.operands.extend(words);
            break;
        }
        let name = word.trim_start_matches('-');
        let dashes = word.len() - name.len();
        if dashes == 0 || dashes > 2 || name.is_empty() {
            parsed.operands.push(word);
            if until_operand {
                parsed.operands.extend(words);
                break;
            }
            continue;
        }
        let (name, given) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        if matches!(name, "help" | "h") {
            parsed.flags.push(("help", String::new()));
            continue;
        }
        let flag = flags.iter().find(|flag| flag.is(name)).ok_or_else(|| {
            CommandError::Usage(format!("flag provided but not defined: -{name}"))
        })?;
        let value = match (flag.value, given) {
            (_, Some(value)) => value,
            (None, None) => String::new(),
            (Some(_), None) => words
                .next()
                .ok_or_else(|| CommandError::Usage(format!("flag needs an argument: -{name}")))?,
        };
        parsed.flags.push((flag.name, value));
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag::plain("detach", "go on").short('d'),
        Flag::with("bundle", "DIR", "where").short('b'),
        Flag::with("env", "K=V", "more"),
    ];

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn forms_of_flags() {
        let parsed =
            take(FLAGS, words("-d --bundle=/b -env A=1 one --env B=2 -- -x"), false).unwrap();
        assert!(parsed.has("detach"));
        assert_eq!(parsed.value("bundle"), Some("/b"));
        assert_eq!(parsed.all("env").collect::<Vec<_>>(), ["A=1", "B=2"]);
        assert_eq!(parsed.operands, ["one", "-x"]);
        assert!(!take(FLAGS, words("--detach=false"), false).unwrap().has("detach"));
    }

    #[test]
    fn a_command_keeps_its_flags() {
        let parsed = take(FLAGS, words("-d id ls -b --env"), true).unwrap();
        assert_eq!(parsed.operands, ["id", "ls", "-b", "--env"]);
    }

    #[test]
    fn what_is_refused() {
        for bad in ["--nope", "-b", "--bundle"] {
            assert!(take(FLAGS, words(bad), false).is_err(), "{bad}");
        }
        let parsed = take(FLAGS, words("--env x"), false).unwrap();
        assert!(parsed.number::<u32>("env").is_err());
    }
}
