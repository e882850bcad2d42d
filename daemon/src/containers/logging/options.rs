//! Values of log options, with Docker's texts for those that can not be.

use std::collections::BTreeMap;

use api_spec::container::{ContainerConfig, LogConfig};
use api_spec::pattern::Pattern;

use crate::containers::error::Error;
use crate::size;

/// Docker's own, in bytes.
const DEFAULT_BUFFER: usize = 1_000_000;

/// What a client, or the daemon's configuration, has set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a>(&'a LogConfig);

impl<'a> Options<'a> {
    pub(super) fn new(config: &'a LogConfig) -> Self {
        Self(config)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.config.as_ref()?.get(name).map(String::as_str)
    }

    /// Whether nothing may wait for the log.
    pub(super) fn is_hurried(&self) -> bool {
        self.get("mode") == Some("non-blocking")
    }

    /// Bytes of entries that are kept while nothing may wait for the log.
    pub(super) fn buffer(&self) -> Result<Option<usize>, String> {
        if !self.is_hurried() {
            return Ok(None);
        }
        let size = self.get("max-buffer-size").map(size::parse).transpose()?;
        Ok(Some(size.and_then(|size| usize::try_from(size).ok()).unwrap_or(DEFAULT_BUFFER)))
    }

    pub(super) fn check_mode(&self) -> Result<(), Error> {
        let mode = self.get("mode").unwrap_or_default();
        if !matches!(mode, "" | "blocking" | "non-blocking") {
            return Err(Error::Invalid(format!("logger: logging mode not supported: {mode}")));
        }
        let Some(buffer) = self.get("max-buffer-size") else { return Ok(()) };
        if !self.is_hurried() {
            return Err(Error::Invalid(
                "logger: max-buffer-size option is only supported with 'mode=non-blocking'"
                    .to_owned(),
            ));
        }
        size::parse(buffer)
            .map(drop)
            .map_err(|why| Error::Invalid(format!("error parsing option max-buffer-size: {why}")))
    }

    /// Of json-file: `None` if nothing is said, `Some(None)` for no limit.
    pub(super) fn json_size(&self) -> Result<Option<Option<u64>>, String> {
        match self.get("max-size") {
            None => Ok(None),
            // What Docker refuses stands here for a log without a limit.
            Some("-1") => Ok(Some(None)),
            Some(text) => match size::parse(text)? {
                0 => Err("max-size must be a positive number".to_owned()),
                bytes => Ok(Some(Some(bytes))),
            },
        }
    }

    /// Of `local`.
    pub(super) fn local_size(&self) -> Result<Option<u64>, String> {
        let Some(text) = self.get("max-size") else { return Ok(None) };
        let wrong = |why| format!("invalid value for max-size: {text}: {why}");
        match text {
            "-1" => Err(wrong("invalid size: '-1'".to_owned())),
            text => size::parse(text).map(Some).map_err(wrong),
        }
    }

    /// `prefix` may name the value as `{}`. Without a text for `too_few`, less than one is one.
    pub(super) fn files(&self, prefix: &str, too_few: &str) -> Result<Option<u32>, String> {
        let Some(text) = self.get("max-file") else { return Ok(None) };
        let number: i32 = text.parse().map_err(|_| {
            let prefix = prefix.replace("{}", text);
            format!("{prefix}strconv.Atoi: parsing {text:?}: invalid syntax")
        })?;
        match u32::try_from(number) {
            Ok(number @ 1..) => Ok(Some(number)),
            _ if too_few.is_empty() => Ok(Some(1)),
            _ => Err(too_few.to_owned()),
        }
    }

    pub(super) fn compress(&self, prefix: &str) -> Result<Option<bool>, String> {
        match self.get("compress") {
            None => Ok(None),
            Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(Some(true)),
            Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(Some(false)),
            Some(text) => {
                Err(format!("{prefix}strconv.ParseBool: parsing {text:?}: invalid syntax"))
            }
        }
    }

    /// Labels and variables of the container that are to be told with each entry.
    pub(super) fn attributes(
        &self,
        config: &ContainerConfig,
    ) -> Result<BTreeMap<String, String>, String> {
        let names = |option: &str| {
            let list = self.get(option).unwrap_or_default().split(',');
            list.filter(|name| !name.is_empty())
        };
        let mut found = BTreeMap::new();
        for name in names("labels") {
            if let Some(value) = config.labels.as_ref().and_then(|labels| labels.get(name)) {
                found.insert(name.to_owned(), value.clone());
            }
        }
        if let Some(pattern) = self.pattern("labels-regex")? {
            let labels = config.labels.iter().flatten().filter(|(name, _)| pattern.is_in(name));
            found.extend(labels.map(|(name, value)| (name.clone(), value.clone())));
        }
        let variables = || {
            let variables = config.env.iter().flatten();
            variables.filter_map(|variable| variable.split_once('='))
        };
        for name in names("env") {
            if let Some((_, value)) = variables().find(|(key, _)| *key == name) {
                found.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(pattern) = self.pattern("env-regex")? {
            let fitting = variables().filter(|(name, _)| pattern.is_in(name));
            found.extend(fitting.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        Ok(found)
    }

    /// The expression that names have to fit; an empty one is none.
    fn pattern(&self, option: &str) -> Result<Option<Pattern>, String> {
        let Some(text) = self.get(option).filter(|text| !text.is_empty()) else { return Ok(None) };
        let wrong = || format!("error parsing regexp: {option}: {text:?} is no regular expression");
        Pattern::parse(text).map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(pairs: &[(&str, &str)], look: impl FnOnce(Options<'_>) -> T) -> T {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = LogConfig { r#type: String::new(), config: Some(pairs.collect()) };
        look(Options::new(&config))
    }

    #[test]
    fn values_that_can_not_be() {
        let json = |text: &str| with(&[("max-size", text)], |options| options.json_size());
        assert_eq!(json("0").unwrap_err(), "max-size must be a positive number");
        assert_eq!(json("x").unwrap_err(), "invalid size: 'x'");
        assert_eq!([json("-1"), json("1k")], [Ok(Some(None)), Ok(Some(Some(1024)))]);
        let files =
            |text: &str| with(&[("max-file", text)], |options| options.files("p {}: ", "few"));
        assert_eq!(files("x").unwrap_err(), "p x: strconv.Atoi: parsing \"x\": invalid syntax");
        assert_eq!([files("0"), files("3")], [Err("few".to_owned()), Ok(Some(3))]);
        let mode = |pairs: &[(&str, &str)]| with(pairs, |options| options.check_mode().is_ok());
        assert!(!mode(&[("mode", "x")]) && !mode(&[("max-buffer-size", "1m")]));
        assert!(mode(&[("mode", "non-blocking"), ("max-buffer-size", "1m")]));
        let buffer = |pairs: &[(&str, &str)]| with(pairs, |options| options.buffer().unwrap());
        assert_eq!([buffer(&[]), buffer(&[("mode", "blocking")])], [None, None]);
        assert_eq!(buffer(&[("mode", "non-blocking")]), Some(1_000_000));
        assert_eq!(buffer(&[("mode", "non-blocking"), ("max-buffer-size", "4k")]), Some(4096));
    }

    #[test]
    fn attributes_are_found() {
        let config = ContainerConfig {
            env: Some(vec!["A=1".into(), "B=x=y".into(), "C".into()]),
            labels: Some([("l".to_owned(), "v".to_owned())].into()),
            ..ContainerConfig::default()
        };
        let asked = [("labels", "l,none"), ("env", "B,C")];
        let attributes = |asked: &[(&str, &str)]| with(asked, |it| it.attributes(&config));
        let expected = [("B", "x=y"), ("l", "v")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(attributes(&asked), Ok(expected.clone().into()));
        let by_pattern = [("labels-regex", "^l$"), ("env-regex", "[BC]")];
        assert_eq!(attributes(&by_pattern), Ok(expected.into()));
        assert!(attributes(&[("env-regex", "(")]).is_err());
    }
}
