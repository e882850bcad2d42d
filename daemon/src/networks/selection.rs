//! Which networks a list shows and a prune takes: filters as data.

use api_spec::filters::Filters;
use api_spec::pattern::Patterns;
use jiff::Timestamp;

use super::{Error, Network};
use crate::events::time;

/// Keys of the list's filters.
const LIST_FILTERS: [&str; 7] = ["dangling", "driver", "id", "label", "name", "scope", "type"];
/// Keys of the prune's filters.
const PRUNE_FILTERS: [&str; 3] = ["label", "label!", "until"];

/// A client's choice of networks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    filters: Filters,
    ids: Patterns,
    names: Patterns,
    /// Only those that nobody uses, or that somebody does.
    dangling: Option<bool>,
    /// Only those created before.
    until: Option<Timestamp>,
}

impl Selection {
    /// For a list.
    pub(crate) fn of_list(filters: Filters) -> Result<Self, Error> {
        filters.validate(&LIST_FILTERS).map_err(|error| Error::Invalid(error.to_string()))?;
        if let Some(kind) = filters.get("type").find(|kind| !matches!(*kind, "custom" | "builtin"))
        {
            return Err(Error::Failed(format!("invalid filter: 'type'='{kind}'")));
        }
        let dangling = filters.boolean("dangling").map_err(|_| {
            let why = "invalid value for filter 'dangling', must be \"true\" (or \"1\"), or \"false\" (or \"0\")";
            Error::Invalid(why.to_owned())
        })?;
        Ok(Self::with(filters, dangling, None))
    }

    /// For a prune.
    pub(crate) fn of_prune(filters: Filters) -> Result<Self, Error> {
        filters.validate(&PRUNE_FILTERS).map_err(|error| Error::Invalid(error.to_string()))?;
        let until = time::until(&filters).map_err(Error::Invalid)?;
        Ok(Self::with(filters, Some(true), until))
    }

    fn with(filters: Filters, dangling: Option<bool>, until: Option<Timestamp>) -> Self {
        let [ids, names] = ["id", "name"].map(|key| filters.patterns(key));
        Self { filters, ids, names, dangling, until }
    }

    /// Whether the choice has this network, which containers use or not.
    pub(super) fn contains(&self, network: &Network, used: bool) -> bool {
        let filters = &self.filters;
        let label = |name: &str| network.labels.get(name).map(String::as_str);
        let without = filters.contains("label!") && filters.matches_labels("label!", label);
        let created = network.created.parse::<Timestamp>().ok();
        let kind = if network.is_predefined() { "builtin" } else { "custom" };
        filters.matches("driver", network.driver.name())
            && self.ids.fit(&[&network.id])
            && self.names.fit(&[&network.name])
            && filters.matches_labels("label", label)
            && !without
            && filters.matches("scope", &network.scope)
            && filters.matches("type", kind)
            && self.dangling.is_none_or(|dangling| dangling == (!used && !network.is_predefined()))
            && self.until.is_none_or(|until| created.is_some_and(|created| created < until))
    }
}
