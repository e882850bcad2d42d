//! What OCI command lines cost, side by side over the same root file system: `run`, `create` + `start` + `delete`, and
//! `exec` of `true`. Wall time, processor time and the peak of memory, of the command and of the container's process
//! alike.

mod bundle;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use self::bundle::Bundle;
use crate::floor::usage::{self, Usage};
use crate::table::Table;

/// Set in the copy of this command that sees no version 2 hierarchy.
const COVERED: &str = "JOCKER_BENCH_COVERED";

/// Where version 2 is mounted beside version 1.
const UNIFIED: &str = "/sys/fs/cgroup/unified";

/// A command line to be measured.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) name: String,
    program: PathBuf,
    bundle: Bundle,
}

/// What one round took.
struct Round {
    wall_ms: f64,
    usage: Usage,
}

impl Runtime {
    /// Of `NAME=/path/of/the/program`.
    pub(crate) fn of(argument: &str, below: &Path) -> Result<Self> {
        let (name, program) = argument.split_once('=').context("NAME=PROGRAM is wanted")?;
        let bundle = Bundle::make(&below.join(name), name)?;
        Ok(Self { name: name.to_owned(), program: program.into(), bundle })
    }

    /// Runs one command to its end; a failure ends the measurement.
    fn call(&self, arguments: &[&str], usage: &mut Usage) -> Result<()> {
        let child = Command::new(&self.program)
            .arg("--root")
            .arg(self.bundle.state())
            .args(arguments)
            .current_dir(self.bundle.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.bundle.errors())?)
            .spawn()
            .with_context(|| format!("{} is not executed", self.program.display()))?;
        let status = usage::wait(child.id(), usage)?;
        let errors = || fs::read_to_string(self.bundle.errors()).unwrap_or_default();
        ensure!(status == 0, "{} {arguments:?}: {status}: {}", self.name, errors());
        Ok(())
    }

    fn run(&self, usage: &mut Usage) -> Result<()> {
        self.call(&["run", "measured"], usage)
    }

    /// The container's process becomes this one's child when `create` has ended, and is reaped here.
    fn in_steps(&self, usage: &mut Usage) -> Result<()> {
        let pid_file = self.bundle.path().join("pid");
        let file = pid_file.to_string_lossy();
        self.call(&["create", "--pid-file", &file, "measured"], usage)?;
        self.call(&["start", "measured"], usage)?;
        let pid: i32 = fs::read_to_string(&pid_file)?.trim().parse()?;
        ensure!(usage::wait(pid, usage)? == 0, "{}: the container's process failed", self.name);
        self.call(&["delete", "measured"], usage)
    }

    fn exec(&self, usage: &mut Usage) -> Result<()> {
        self.call(&["exec", "lasting", "true"], usage)
    }
}

/// Measures the runtimes in turns. The first one is ours.
pub(crate) fn measure(arguments: &[String], rounds: usize) -> Result<Table> {
    usage::adopt_orphans()?;
    let below = std::env::temp_dir().join(format!("jocker-oci-{}", std::process::id()));
    let runtimes: Vec<Runtime> =
        arguments.iter().map(|each| Runtime::of(each, &below)).collect::<Result<_>>()?;
    let mut table = Table::new(runtimes.iter().map(|runtime| runtime.name.clone()).collect());
    let measured = all(&runtimes, rounds, &mut table);
    fs::remove_dir_all(&below)?;
    measured.map(|()| table)
}

fn all(runtimes: &[Runtime], rounds: usize, table: &mut Table) -> Result<()> {
    crate::floor::measure(rounds, table)?;
    in_turns("run", runtimes, rounds, table, Runtime::run)?;
    in_turns("create, start, delete", runtimes, rounds, table, Runtime::in_steps)?;
    for runtime in runtimes {
        runtime.bundle.lasts(true)?;
        runtime.call(&["run", "--detach", "lasting"], &mut Usage::default())?;
    }
    let measured = in_turns("exec", runtimes, rounds, table, Runtime::exec);
    for runtime in runtimes {
        runtime.call(&["delete", "--force", "lasting"], &mut Usage::default())?;
    }
    measured
}

fn in_turns(
    name: &str,
    runtimes: &[Runtime],
    rounds: usize,
    table: &mut Table,
    work: impl Fn(&Runtime, &mut Usage) -> Result<()>,
) -> Result<()> {
    let mut seen: Vec<Vec<Round>> = runtimes.iter().map(|_| Vec::new()).collect();
    for round in 0..=rounds {
        for (runtime, seen) in runtimes.iter().zip(&mut seen) {
            let mut usage = Usage::default();
            let begin = Instant::now();
            work(runtime, &mut usage)?;
            let wall_ms = begin.elapsed().as_secs_f64() * 1000.0;
            // The first round warms caches.
            if round > 0 {
                seen.push(Round { wall_ms, usage });
            }
        }
    }
    let column = |part: fn(&Round) -> f64| -> Vec<Vec<f64>> {
        seen.iter().map(|rounds| rounds.iter().map(part).collect()).collect()
    };
    table.cost(&format!("{name}: time"), "ms", column(|round| round.wall_ms));
    table.cost(&format!("{name}: processors"), "ms", column(|round| round.usage.processor_ms));
    table.cost(&format!("{name}: peak of memory"), "MB", column(|round| round.usage.peak_mb));
    Ok(())
}

/// On hosts with both versions of control groups, starts this command again where version 2 is covered: crun takes no
/// mixture, and all are to have the same. Returns if there is nothing to cover.
pub(crate) fn without_unified() -> Result<Option<i32>> {
    let controllers = Path::new(UNIFIED).join("cgroup.controllers");
    if std::env::var_os(COVERED).is_some() || !controllers.exists() {
        return Ok(None);
    }
    let cover = format!("mount -t tmpfs none {UNIFIED} && exec \"$@\"");
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &cover, "sh"])
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(COVERED, "1")
        .status()
        .context("unshare is not executed")?;
    Ok(Some(status.code().unwrap_or(1)))
}
