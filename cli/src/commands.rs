//! The commands, one a file, and how they fail.

use std::io;

use crate::args::{Command, ContainerCommand, ImageCommand, SystemCommand};
use crate::client::{Client, ClientError};
use crate::options::OptionsError;
use crate::render::template::TemplateError;

mod attach;
mod commit;
mod completion;
mod cp;
mod create;
mod credentials;
mod debug;
mod df;
mod diff;
mod each;
mod events;
mod exec;
mod filters;
mod history;
mod images;
mod info;
mod inspect;
mod logs;
mod network;
mod offline;
mod plan;
mod prune;
mod ps;
mod pull;
mod push;
mod read;
mod rmi;
mod run;
mod start;
mod stats;
mod tag;
mod timeline;
mod top;
mod update;
mod version;
mod volume;
mod wait;
mod write;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Options(#[from] OptionsError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Message(String),
    #[error("{call}: {source}")]
    Io { call: String, source: io::Error },
    /// What was wrong is told already, or is the container's own exit code.
    #[error("exit code {0}")]
    Exit(i32),
    /// The container never ran; the code says why.
    #[error("jocker: {text}\n\nRun 'jocker run --help' for more information")]
    NotRun { text: String, code: i32 },
}

impl Failure {
    pub(crate) fn io(call: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let call = call.into();
        move |source| Self::Io { call, source }
    }

    /// What is to be told, if anything is.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Exit(_) => None,
            // A reader that went away wants no more.
            Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => None,
            told => Some(told.to_string()),
        }
    }

    pub(crate) fn exit_code(&self) -> i32 {
        match self {
            Self::Exit(code) | Self::NotRun { code, .. } => *code,
            _ => 1,
        }
    }
}

type Outcome = Result<(), Failure>;

/// Runs one command.
pub(crate) async fn dispatch(client: &Client, command: Command) -> Outcome {
    match command {
        Command::Run(args) => run::run(client, *args).await,
        Command::Create(args) => create::create(client, *args).await,
        Command::Start(args) => start::start(client, args).await,
        Command::Stop(args) => each::stop(client, &args).await,
        Command::Restart(args) => each::restart(client, &args).await,
        Command::Pause(args) => each::pause(client, &args).await,
        Command::Unpause(args) => each::unpause(client, &args).await,
        Command::Rename(args) => each::rename(client, &args).await,
        Command::Kill(args) => each::kill(client, &args).await,
        Command::Rm(args) => each::remove(client, &args).await,
        Command::Ps(args) => ps::ps(client, args).await,
        Command::Logs(args) => logs::logs(client, args).await,
        Command::Exec(args) => exec::exec(client, args).await,
        Command::Attach(args) => attach::attach(client, args).await,
        Command::Wait(args) => wait::wait(client, &args).await,
        Command::Inspect(args) => inspect::inspect(client, args).await,
        Command::Update(args) => update::update(client, &args).await,
        Command::Top(args) => top::top(client, &args).await,
        Command::Plan(args) => plan::plan(client, &args).await,
        Command::Timeline(args) => timeline::timeline(client, &args).await,
        Command::Stats(args) => stats::stats(client, args).await,
        Command::Cp(args) => cp::cp(client, args).await,
        Command::Diff(args) => diff::diff(client, &args).await,
        Command::Export(args) => write::export(client, &args).await,
        Command::Commit(args) => commit::commit(client, &args).await,
        Command::Import(args) => read::import(client, &args).await,
        Command::Save(args) => write::save(client, &args).await,
        Command::Load(args) => read::load(client, &args).await,
        Command::Push(args) => push::push(client, &args).await,
        Command::History(args) => history::history(client, args).await,
        Command::Container(ContainerCommand::Prune(args)) => prune::containers(client, &args).await,
        Command::Image(ImageCommand::Prune(args)) => prune::images(client, &args).await,
        Command::Image(ImageCommand::Inspect(args)) => offline::inspect(client, args).await,
        Command::Image(ImageCommand::Copy(args)) => offline::copy(&args),
        Command::Image(ImageCommand::Unpack(args)) => offline::run("unpack", &args),
        Command::Image(ImageCommand::Verify(args)) => offline::run("verify", &args),
        Command::Network(command) => network::network(client, command).await,
        Command::Volume(command) => volume::volume(client, command).await,
        Command::System(SystemCommand::Df(args)) => df::df(client, &args).await,
        Command::System(SystemCommand::Prune(args)) => prune::system(client, &args).await,
        Command::Pull(args) => pull::pull(client, args).await,
        Command::Images(args) => images::images(client, args).await,
        Command::Rmi(args) => rmi::remove(client, &args).await,
        Command::Tag(args) => tag::tag(client, &args).await,
        Command::Version(args) => version::version(client, args).await,
        Command::Info(args) => info::info(client, args).await,
        Command::Events(args) => events::events(client, args).await,
        Command::Debug(args) => debug::debug(client, args).await,
        Command::Completion(args) => completion::completion(&args),
    }
}

/// Prints text as it is.
fn print(text: &str) -> Outcome {
    use io::Write;
    io::stdout().write_all(text.as_bytes()).map_err(Failure::io("write to stdout"))
}
