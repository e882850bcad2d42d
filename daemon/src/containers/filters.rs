//! Seccomp programs: Docker's default profile is compiled once for each set of capabilities, a client's own profile
//! at each start.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api_spec::container::HostConfig;
use oci_spec::runtime::{LinuxSeccomp, Spec};
use runtime::caps::CapabilitySet;
use runtime::plan::{Plan, PlanError};
use runtime::seccomp::{Program, default_profile};

use super::error::Error;
use crate::spec;

/// Sets of capabilities whose program is kept.
const CACHE_MAX: usize = 64;

/// Programs compiled so far.
#[derive(Debug, Default)]
pub(super) struct Filters(Mutex<HashMap<u64, Program>>);

/// Which filter a container gets.
#[derive(Debug)]
enum Profile {
    Unconfined,
    Default(CapabilitySet),
    Own(LinuxSeccomp),
}

impl Filters {
    /// Compiles the plan with the filter that the process is to have, `privileged` or not. The default filter is put into the plan
    /// compiled already, so that only the first start pays for it.
    pub(super) fn compile(
        &self,
        host_config: &HostConfig,
        privileged: bool,
        spec: &mut Spec,
        compile: impl Fn(&Spec) -> Result<Plan, PlanError>,
    ) -> Result<Plan, Error> {
        let run = |spec: &Spec| {
            compile(spec).map_err(|error| Error::Invalid(format!("invalid configuration: {error}")))
        };
        let set = |spec: &mut Spec, filter: LinuxSeccomp| {
            if let Some(linux) = spec.linux_mut() {
                linux.set_seccomp(Some(filter));
            }
        };
        match profile(host_config, privileged, spec)? {
            Profile::Unconfined => run(spec),
            Profile::Own(filter) => {
                set(spec, filter);
                run(spec)
            }
            Profile::Default(capabilities) => {
                let known = self.lock().get(&capabilities.bits()).cloned();
                if known.is_some() {
                    return Ok(Plan { seccomp: known, ..run(spec)? });
                }
                set(spec, default_profile(capabilities));
                let plan = run(spec)?;
                let mut cache = self.lock();
                if let Some(program) = &plan.seccomp
                    && cache.len() < CACHE_MAX
                {
                    cache.insert(capabilities.bits(), program.clone());
                }
                drop(cache);
                Ok(plan)
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Program>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn profile(host_config: &HostConfig, privileged: bool, spec: &Spec) -> Result<Profile, Error> {
    let option = |option: &String| {
        option
            .strip_prefix("seccomp=")
            .or_else(|| option.strip_prefix("seccomp:"))
            .map(str::to_owned)
    };
    let own = host_config.security_opt.iter().flatten().find_map(option);
    let names = spec.process().as_ref().and_then(|process| process.capabilities().as_ref());
    let bounding = names.and_then(|sets| sets.bounding().as_ref());
    let capabilities = bounding.into_iter().flatten().fold(CapabilitySet::EMPTY, |set, each| {
        set.union(CapabilitySet::named(&each.to_string()).unwrap_or_default())
    });
    match own.as_deref() {
        Some("unconfined") => Ok(Profile::Unconfined),
        None | Some("builtin") if privileged => Ok(Profile::Unconfined),
        None | Some("builtin") => Ok(Profile::Default(capabilities)),
        Some(text) => spec::seccomp_profile(text, capabilities)
            .map(Profile::Own)
            .map_err(|error| Error::Invalid(format!("Decoding seccomp profile failed: {error}"))),
    }
}
