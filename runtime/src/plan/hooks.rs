//! Programs of the host's administrator that are run at certain points of a container's life;
//! config.md "POSIX-platform Hooks".

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::PlanError;
use super::compile::invalid;

/// The hooks of a container by the moment at which they run, each list in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hooks {
    /// Namespaces are made, the root is not yet entered; run on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prestart: Vec<Hook>,
    /// The same moment, after those of `prestart`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_runtime: Vec<Hook>,
    /// The same moment; run in the container's namespaces, with paths of the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub create_container: Vec<Hook>,
    /// Right before the program; run in the container.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub start_container: Vec<Hook>,
    /// The program runs; run on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub poststart: Vec<Hook>,
    /// The container is deleted; run on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub poststop: Vec<Hook>,
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Absolute.
    pub path: PathBuf,
    /// The first is the name that the program sees; the path if there is none.
    pub args: Vec<String>,
    /// The whole environment; the caller's if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// Seconds after which the program is killed; `None` for never.
    pub timeout: Option<u64>,
}

impl Hooks {
    /// No hook at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether init has to stop for hooks before it enters the root.
    pub fn before_root(&self) -> bool {
        !self.prestart.is_empty()
            || !self.create_runtime.is_empty()
            || !self.create_container.is_empty()
            || !self.start_container.is_empty()
    }
}

/// Takes over a spec's hooks.
pub(super) fn compile(hooks: Option<&oci_spec::runtime::Hooks>) -> Result<Hooks, PlanError> {
    let Some(hooks) = hooks else {
        return Ok(Hooks::default());
    };
    Ok(Hooks {
        prestart: list(hooks.prestart(), "prestart")?,
        create_runtime: list(hooks.create_runtime(), "createRuntime")?,
        create_container: list(hooks.create_container(), "createContainer")?,
        start_container: list(hooks.start_container(), "startContainer")?,
        poststart: list(hooks.poststart(), "poststart")?,
        poststop: list(hooks.poststop(), "poststop")?,
    })
}

fn list(hooks: &Option<Vec<oci_spec::runtime::Hook>>, name: &str) -> Result<Vec<Hook>, PlanError> {
    let hooks = hooks.as_deref().unwrap_or_default();
    hooks.iter().enumerate().map(|(at, hook)| one(hook, &format!("hooks.{name}[{at}]"))).collect()
}

fn one(hook: &oci_spec::runtime::Hook, field: &str) -> Result<Hook, PlanError> {
    if !hook.path().is_absolute() {
        return Err(invalid(format!("{field}.path"), format!("{:?} is not absolute", hook.path())));
    }
    let timeout = match hook.timeout() {
        None => None,
        Some(seconds) if seconds > 0 => Some(seconds.cast_unsigned()),
        Some(seconds) => {
            return Err(invalid(
                format!("{field}.timeout"),
                format!("{seconds} is not above zero"),
            ));
        }
    };
    Ok(Hook {
        path: hook.path().clone(),
        args: hook.args().clone().unwrap_or_default(),
        env: hook.env().clone(),
        timeout,
    })
}
