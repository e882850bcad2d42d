//! Which volumes a list shows and a prune takes: filters as data.

use api_spec::filters::{FilterError, Filters};
use api_spec::pattern::Patterns;

use super::{DRIVER, Volume};

/// Keys of the list's filters.
const LIST_FILTERS: [&str; 4] = ["dangling", "driver", "label", "name"];
/// Keys of the prune's filters.
const PRUNE_FILTERS: [&str; 3] = ["all", "label", "label!"];

/// A client's choice of volumes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    filters: Filters,
    names: Patterns,
    /// Only those that a container has, or that none has.
    used: Option<bool>,
    anonymous_only: bool,
}

impl Selection {
    /// For a list.
    pub(crate) fn of_list(filters: Filters) -> Result<Self, FilterError> {
        filters.validate(&LIST_FILTERS)?;
        let used = filters.boolean("dangling")?.map(|dangling| !dangling);
        Ok(Self { names: filters.patterns("name"), filters, used, anonymous_only: false })
    }

    /// For a prune. Before API 1.42 it took every volume that no container has, since then the anonymous ones.
    pub(crate) fn of_prune(filters: Filters, everything: bool) -> Result<Self, String> {
        filters.validate(&PRUNE_FILTERS).map_err(|error| error.to_string())?;
        let mut all = everything;
        for value in filters.get("all") {
            all = match value {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
                "0" | "f" | "F" | "false" | "FALSE" | "False" => everything,
                _ => {
                    return Err(format!(
                        "invalid filter 'all': strconv.ParseBool: parsing {value:?}: invalid syntax"
                    ));
                }
            };
        }
        let names = Patterns::default();
        Ok(Self { filters, names, used: Some(false), anonymous_only: !all })
    }

    /// Whether the choice has this volume, which containers have or not.
    pub(super) fn contains(&self, volume: &Volume, used: bool) -> bool {
        let filters = &self.filters;
        let without = filters.contains("label!")
            && filters.matches_labels("label!", |name| volume.label(name));
        self.used.is_none_or(|wanted| wanted == used)
            && (!self.anonymous_only || volume.is_anonymous())
            && filters.matches("driver", DRIVER)
            && filters.matches_labels("label", |name| volume.label(name))
            && !without
            && self.names.fit(&[&volume.name])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, labels: &[(&str, &str)]) -> Volume {
        let text = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Volume::new(name.to_owned(), Some(labels.iter().map(text).collect()), None)
    }

    #[test]
    fn lists_are_filtered() {
        let has = |filters: &str, used| {
            let selection = Selection::of_list(Filters::parse(filters).unwrap()).unwrap();
            selection.contains(&volume("web-data", &[("a", "b")]), used)
        };
        assert!(has("", false) && has("", true));
        assert!(has(r#"{"dangling":["1"]}"#, false) && !has(r#"{"dangling":["1"]}"#, true));
        assert!(has(r#"{"dangling":["false"]}"#, true));
        assert!(has(r#"{"name":["data"],"driver":["local"],"label":["a=b"]}"#, false));
        assert!(!has(r#"{"name":["^data"]}"#, false) && !has(r#"{"driver":["x"]}"#, false));
        assert!(has(r#"{"name":["^web-data$","x"]}"#, false));
        assert!(Selection::of_list(Filters::parse(r#"{"x":["y"]}"#).unwrap()).is_err());
    }

    #[test]
    fn prunes_take_the_anonymous_unless_all_is_asked_for() {
        let takes = |filters: &str, everything, labels: &[(&str, &str)], used| {
            let selection = Selection::of_prune(Filters::parse(filters).unwrap(), everything);
            selection.unwrap().contains(&volume("vv", labels), used)
        };
        let anonymous = [(super::super::ANONYMOUS, "")];
        assert!(takes("", false, &anonymous, false) && !takes("", false, &anonymous, true));
        assert!(!takes("", false, &[], false) && takes("", true, &[], false));
        assert!(takes(r#"{"all":["true"]}"#, false, &[], false));
        assert!(!takes(r#"{"all":["1"],"label!":["k"]}"#, false, &[("k", "")], false));
        assert!(takes(r#"{"all":["1"],"label!":["k"]}"#, false, &[], false));
        assert!(Selection::of_prune(Filters::parse(r#"{"all":["x"]}"#).unwrap(), false).is_err());
    }
}
