//! The command line of an OCI runtime, with runc's verbs, flags and texts: takes runc's place under
//! podman, containerd and the OCI test suites.
//!
//! There is no monitor here: the caller supervises, its streams are the program's. Between two calls
//! nothing but the state directory remembers a container.
//!
//! - `arguments`: the flags. `report`: errors and the log. `directory`, `record`: what is remembered.
//! - `bundle`, `place`, `make`, `supervise`, `terminal`: what verbs share. All else is one verb a file.

mod arguments;
mod bundle;
mod create;
mod delete;
mod directory;
mod error;
mod events;
mod exec;
mod features;
mod kill;
mod list;
mod make;
mod notify;
mod pause;
mod place;
mod plan;
mod ps;
mod record;
mod report;
mod run;
mod spec;
mod start;
mod state;
mod supervise;
mod terminal;
mod update;

use std::path::PathBuf;
use std::process::ExitCode;

use self::arguments::{Flag, Parsed};
use self::error::CommandError;
use self::report::Report;

/// State directories are below it, unless `--root` says otherwise.
const ROOT: &str = "/run/jocker-runtime";

/// The newest version of the OCI runtime spec that is spoken.
const SPEC_VERSION: &str = "1.3.0";

/// A verb of the command line.
struct Verb {
    name: &'static str,
    /// The positional arguments, for the usage line.
    operands: &'static str,
    about: &'static str,
    flags: &'static [Flag],
    /// Fewest and most positional arguments.
    count: (usize, usize),
    /// Flags end at the first operand; the rest is a command with flags of its own.
    ends_at_operand: bool,
    /// Exit status of a failure.
    failure: u8,
    run: fn(&Globals, &Parsed) -> Result<ExitCode, CommandError>,
}

const VERBS: [&Verb; 17] = [
    &create::VERB,
    &delete::VERB,
    &events::VERB,
    &exec::VERB,
    &features::VERB,
    &kill::VERB,
    &list::VERB,
    &pause::PAUSE,
    &plan::VERB,
    &ps::VERB,
    &pause::RESUME,
    &run::VERB,
    &spec::VERB,
    &start::VERB,
    &state::VERB,
    &update::VERB,
    &HELP,
];

const HELP: Verb = Verb {
    name: "help",
    operands: "[command]",
    about: "show the verbs, or the flags of one",
    flags: &[],
    count: (0, 1),
    ends_at_operand: false,
    failure: 1,
    run: |_, parsed| {
        let verb = parsed.operands.first().and_then(|name| find(name));
        report::show(verb.map_or_else(overview, usage));
        Ok(ExitCode::SUCCESS)
    },
};

const FLAGS: [Flag; 11] = [
    Flag::with("root", "DIR", "directory of the containers' state [/run/jocker-runtime]"),
    Flag::with("log", "FILE", "where errors are written to, besides standard error"),
    Flag::with("log-format", "FORMAT", "text or json"),
    Flag::plain("debug", "accepted for runc's sake"),
    Flag::plain("systemd-cgroup", "cgroupsPath is slice:prefix:name, a scope of systemd"),
    Flag::with("cgroup-manager", "NAME", "cgroupfs or systemd, for crun's sake"),
    Flag::with("criu", "PATH", "accepted for runc's sake"),
    Flag::with("rootless", "VALUE", "accepted for runc's sake"),
    Flag::plain("version", "show the version").short('v'),
    Flag::plain("help", "show the verbs").short('h'),
    Flag::plain("systemd", "").hidden(),
];

/// What the flags before the verb say.
#[derive(Debug)]
struct Globals {
    root: PathBuf,
    systemd_cgroup: bool,
}

/// The whole program.
pub fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let (globals, rest) = match arguments::parse_until_operand(&FLAGS, words) {
        Ok(parsed) => parsed,
        Err(error) => return Report::default().fail(&error, 1),
    };
    let report = match Report::open(globals.value("log"), globals.value("log-format")) {
        Ok(report) => report,
        Err(error) => return Report::default().fail(&error, 1),
    };
    if globals.has("version") {
        let version = env!("CARGO_PKG_VERSION");
        report::show(format!("jocker-runtime version {version}\nspec: {SPEC_VERSION}"));
        return ExitCode::SUCCESS;
    }
    let Some((name, words)) = rest.split_first().filter(|_| !globals.has("help")) else {
        report::show(overview());
        return ExitCode::SUCCESS;
    };
    let Some(verb) = find(name) else {
        let (why, status) = match name.as_str() {
            "checkpoint" | "restore" => (format!("{name} is not supported"), 1),
            _ => (format!("no help topic for '{name}'"), 3),
        };
        return report.fail(&CommandError::Usage(why), status);
    };
    let done = arguments::parse(verb, words.to_vec()).and_then(|parsed| {
        if parsed.has("help") {
            report::show(usage(verb));
            return Ok(ExitCode::SUCCESS);
        }
        let manager = globals.value("cgroup-manager");
        let systemd_cgroup = match manager {
            None => globals.has("systemd-cgroup"),
            Some("cgroupfs") => false,
            Some("systemd") => true,
            Some(other) => {
                let why = format!("unknown cgroup manager {other:?}");
                return Err(CommandError::Usage(why));
            }
        };
        let root = globals.value("root").unwrap_or(ROOT).into();
        (verb.run)(&Globals { root, systemd_cgroup }, &parsed)
    });
    done.unwrap_or_else(|error| report.fail(&error, verb.failure))
}

fn find(name: &str) -> Option<&'static Verb> {
    VERBS.into_iter().find(|verb| verb.name == name)
}

fn overview() -> String {
    let mut text =
        "Usage: jocker-runtime [flags] command [flags] [operands]\n\nCommands:\n".to_owned();
    for verb in VERBS {
        text += &format!("  {:<10} {}\n", verb.name, verb.about);
    }
    text + "\nFlags:\n" + &arguments::describe(&FLAGS)
}

fn usage(verb: &Verb) -> String {
    let Verb { name, operands, about, flags, .. } = verb;
    let flags = arguments::describe(flags);
    format!("Usage: jocker-runtime {name} [flags] {operands}\n\n{about}\n\nFlags:\n{flags}")
}
