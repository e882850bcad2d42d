//! The `filters` query parameter: a JSON object of lists, in the two forms that clients write.
//!
//! Newer clients send `{"label":{"a=b":true}}`, older ones `{"label":["a=b"]}`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::pattern::Patterns;

/// Longest filter text that is read, in bytes.
pub const MAX_FILTER_BYTES: usize = 64 * 1024;

/// Why a filter was refused; the texts are dockerd's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("invalid filter")]
    Syntax,
    #[error("invalid filter '{0}'")]
    UnknownKey(String),
    #[error("invalid filter '{key}=[{}]'", values.join(" "))]
    BadValue { key: String, values: Vec<String> },
}

/// Filters by key; each key holds at least one value when it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters(BTreeMap<String, BTreeSet<String>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Map(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Parses the text of the parameter. An empty text is no filter.
    ///
    /// # Errors
    /// [`FilterError::Syntax`] when it is too long or neither of the two forms.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > MAX_FILTER_BYTES {
            return Err(FilterError::Syntax);
        }
        let raw: BTreeMap<String, Values> =
            serde_json::from_str(text).map_err(|_| FilterError::Syntax)?;
        let sets = raw.into_iter().map(|(key, values)| {
            let set = match values {
                Values::Map(map) => map.into_keys().collect(),
                Values::List(list) => list.into_iter().collect(),
            };
            (key, set)
        });
        Ok(Self(sets.collect()))
    }

    /// Refuses keys that the endpoint does not know.
    ///
    /// # Errors
    /// [`FilterError::UnknownKey`] with the first unknown key.
    pub fn validate(&self, known: &[&str]) -> Result<(), FilterError> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(FilterError::UnknownKey(key.clone())),
            None => Ok(()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// The values of a key, sorted; nothing when the key is absent.
    pub fn get(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(String::as_str)
    }

    /// Adds a value.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.entry(key.into()).or_default().insert(value.into());
    }

    /// True when the key is absent or one of its values equals `value`.
    pub fn matches(&self, key: &str, value: &str) -> bool {
        self.matches_by(key, |wanted| wanted == value)
    }

    /// True when the key is absent or one of its values is a prefix of `value`.
    pub fn matches_prefix(&self, key: &str, value: &str) -> bool {
        self.matches_by(key, |wanted| value.starts_with(wanted))
    }

    /// True when the key is absent or empty, or `test` holds for one of its values.
    pub fn matches_by(&self, key: &str, test: impl FnMut(&str) -> bool) -> bool {
        match self.0.get(key) {
            None => true,
            Some(values) if values.is_empty() => true,
            Some(values) => values.iter().map(String::as_str).any(test),
        }
    }

    /// The values of a key that names are looked for by, read once for many of them.
    pub fn patterns(&self, key: &str) -> Patterns {
        Patterns::of(self.get(key))
    }

    /// True when **all** values of the key (`name` or `name=value`) hold for the labels.
    pub fn matches_labels<'a>(&self, key: &str, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.get(key).all(|wanted| match wanted.split_once('=') {
            None => label(wanted).is_some(),
            Some((name, value)) => label(name) == Some(value),
        })
    }

    /// A key that holds exactly one boolean (`1`, `true`, `0`, `false`).
    ///
    /// # Errors
    /// [`FilterError::BadValue`] when it holds anything else.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>, FilterError> {
        let Some(values) = self.0.get(key) else {
            return Ok(None);
        };
        let is = |texts: [&str; 2]| texts.iter().any(|text| values.contains(*text));
        match (is(["1", "true"]), is(["0", "false"])) {
            (true, false) if !values.is_empty() => Ok(Some(true)),
            (false, true) => Ok(Some(false)),
            _ => Err(FilterError::BadValue {
                key: key.to_owned(),
                values: values.iter().cloned().collect(),
            }),
        }
    }

    /// The newer form of the parameter's text.
    pub fn to_json(&self) -> String {
        let maps: BTreeMap<_, BTreeMap<_, _>> = (self.0.iter())
            .map(|(key, values)| (key, values.iter().map(|value| (value, true)).collect()))
            .collect();
        serde_json::to_string(&maps).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let newer = Filters::parse(r#"{"label":{"a=b":true,"c":true}}"#).unwrap();
        let older = Filters::parse(r#"{"label":["c","a=b"]}"#).unwrap();
        assert_eq!(newer, older);
        assert_eq!(Filters::parse(&newer.to_json()).unwrap(), newer);
        assert_eq!(Filters::parse("").unwrap(), Filters::default());
        for bad in ["[]", "{", r#"{"a":1}"#, r#"{"a":"b"}"#, "null "] {
            assert_eq!(Filters::parse(bad), Err(FilterError::Syntax), "{bad}");
        }
    }

    #[test]
    fn names_are_regular_expressions() {
        let filters = Filters::parse(r#"{"name":["^/?web-[0-9]$","["]}"#).unwrap();
        let names = filters.patterns("name");
        assert!(names.fit(&["web-1"]));
        assert!(names.fit(&["x", "/web-1"]));
        assert!(names.fit(&["["]));
        assert!(!names.fit(&["web-10", "[x"]));
        assert!(filters.patterns("absent").fit(&[]));
    }

    #[test]
    fn unknown_keys_and_values_are_named() {
        let filters = Filters::parse(r#"{"dangling":{"maybe":true}}"#).unwrap();
        let error = filters.validate(&["label"]).unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'dangling'");
        let error = filters.boolean("dangling").unwrap_err();
        assert_eq!(error.to_string(), "invalid filter 'dangling=[maybe]'");
        assert_eq!(filters.boolean("absent"), Ok(None));
    }

    #[test]
    fn labels_must_all_hold() {
        let filters = Filters::parse(r#"{"label":["a=b","c"]}"#).unwrap();
        let has = |labels: &'static [(&str, &str)]| {
            filters.matches_labels("label", |name| {
                labels.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
            })
        };
        assert!(has(&[("a", "b"), ("c", "")]));
        assert!(!has(&[("a", "b")]));
        assert!(!has(&[("a", "x"), ("c", "")]));
    }
}
