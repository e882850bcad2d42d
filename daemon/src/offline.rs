//! `jockerd image`: images at registries, in OCI layouts and in archives, without a daemon. `jocker
//! image` runs it, so that the client needs no registry client of its own.
//!
//! Exit status: 0 when it is done, or the image is whole; 1 when it is not; 2 for a wrong command line.

use std::collections::HashMap;
use std::io::{Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::Deserialize;
use store::offline::{Place, Tools, Verdict, Wallet};
use store::pull::Platform;
use store::registry::{Credentials, Registries, RegistryConfig};

/// The first argument that leads here.
pub(crate) const ARGUMENT: &str = "image";
const USAGE: u8 = 2;
/// Bytes of credentials on the standard input.
const CREDENTIALS_LIMIT: u64 = 1 << 20;

/// Work on images at registries, in OCI layouts and in archives; no daemon is asked.
///
/// A PLACE is docker://NAME[:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG] or docker-archive:FILE[:NAME:TAG].
#[derive(Debug, Parser)]
#[command(name = "jocker image", max_term_width = 100)]
struct Flags {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// Which image of several, for example linux/arm64 [default: this machine's]
    #[arg(long, global = true)]
    platform: Option<Platform>,
    /// Registry (host, host:port or CIDR) to speak to without verified TLS; several are possible
    #[arg(long = "insecure-registry", global = true, value_name = "HOST")]
    insecure: Vec<String>,
    /// Read registries' credentials as JSON from the standard input
    #[arg(long, global = true, hide = true)]
    credentials: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell what an image is
    Inspect {
        /// Print the manifest or index, byte for byte
        #[arg(long, conflicts_with = "config")]
        raw: bool,
        /// Print the config, byte for byte
        #[arg(long)]
        config: bool,
        place: Place,
    },
    /// Copy an image; prints its digest
    Copy {
        /// Copy the images of every platform, and what else an index names
        #[arg(long, conflicts_with = "platform")]
        all: bool,
        from: Place,
        to: Place,
    },
    /// Unpack an image's layers into a new directory
    Unpack { place: Place, directory: PathBuf },
    /// Read every byte of an image and compare it with its digests
    Verify { place: Place },
}

/// Credentials by registry.
#[derive(Debug, Default)]
struct Known(HashMap<String, Entry>);

#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    identitytoken: Option<String>,
}

impl Wallet for Known {
    fn of(&self, domain: &str) -> Option<Credentials> {
        let entry = self.0.get(domain)?;
        Some(Credentials {
            username: entry.username.clone(),
            password: entry.password.clone(),
            identity_token: entry.identitytoken.clone(),
            registry_token: None,
        })
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = std::env::args_os().enumerate().filter(|(at, _)| *at != 1);
    let flags = match Flags::try_parse_from(arguments.map(|(_, argument)| argument)) {
        Ok(flags) => flags,
        Err(error) => {
            // Nobody listens when this fails.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(flags) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jocker image: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(flags: Flags) -> anyhow::Result<ExitCode> {
    let Flags { command, how } = flags;
    let known = match how.credentials {
        true => credentials()?,
        false => Known::default(),
    };
    let config = RegistryConfig { insecure: how.insecure, ..RegistryConfig::default() };
    let registries = Registries::new(config)?;
    let platform = how.platform.unwrap_or_else(Platform::host);
    let tools = Tools { registries: &registries, platform, credentials: &known };
    let tasks =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut out = std::io::stdout().lock();
    let code = tasks.block_on(execute(&tools, command, &mut out))?;
    out.flush()?;
    tasks.shutdown_background();
    Ok(code)
}

fn credentials() -> anyhow::Result<Known> {
    let mut text = Vec::new();
    std::io::stdin().take(CREDENTIALS_LIMIT).read_to_end(&mut text)?;
    Ok(Known(serde_json::from_slice(&text)?))
}

async fn execute(
    tools: &Tools<'_>,
    command: Command,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    match command {
        Command::Inspect { raw, config, place } => {
            let inspection = tools.inspect(&place).await?;
            match (raw, config) {
                (true, _) => out.write_all(&inspection.raw)?,
                (_, true) => out.write_all(&inspection.config)?,
                _ => writeln!(out, "{:#}", inspection.summary)?,
            }
        }
        Command::Copy { all: true, from, to } => {
            writeln!(out, "{}", tools.copy_all(&from, &to).await?)?;
        }
        Command::Copy { all: false, from, to } => {
            writeln!(out, "{}", tools.copy(&from, &to).await?)?;
        }
        Command::Unpack { place, directory } => tools.unpack(&place, &directory).await?,
        Command::Verify { place } => return Ok(told(&tools.verify(&place).await?, out)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each layer and each problem, and one in sum.
fn told(verdict: &Verdict, out: &mut impl Write) -> std::io::Result<ExitCode> {
    for layer in &verdict.layers {
        let store::LayerInfo { diff_id, size, entries } = layer;
        writeln!(out, "layer {diff_id}: {entries} entries, {size} bytes")?;
    }
    for problem in &verdict.problems {
        writeln!(out, "broken: {problem}")?;
    }
    let (sound, broken) = (verdict.layers.len(), verdict.problems.len());
    writeln!(out, "{sound} layers are as their digests say, {broken} problems")?;
    Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
