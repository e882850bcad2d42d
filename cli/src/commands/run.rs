//! `jocker run`

use api_spec::container::WaitResponse;
use http::Method;
use http_body_util::BodyExt;

use super::{Failure, Outcome, create};
use crate::args::RunArgs;
use crate::client::{Client, ClientError, Path};
use crate::options::{self, Attachment};
use crate::session::{self, Session};

/// Exit codes of a container that never ran: the daemon's fault, not executable, not found.
const DAEMON_FAILED: i32 = 125;
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

pub(super) async fn run(client: &Client, args: RunArgs) -> Outcome {
    let not_run =
        |failure: Failure| Failure::NotRun { text: failure.to_string(), code: DAEMON_FAILED };
    let options = &args.options;
    let attachment = Attachment::of(options, args.detach).map_err(|e| not_run(e.into()))?;
    let request = options::request(options, &attachment).map_err(|e| not_run(e.into()))?;
    let id = create::container(client, options, &request).await.map_err(not_run)?;
    if args.detach {
        start(client, &id).await?;
        println!("{id}");
        return Ok(());
    }
    let attached = Attached::before_start(client, &id, &attachment, &args, options.tty).await;
    let attached = attached.map_err(not_run)?;
    if let Err(failure) = start(client, &id).await {
        if options.auto_remove {
            // The daemon removes what was to be removed; what it does not remove would be left.
            let path = Path::container(&id, "").with("force", 1);
            let _ = client.command(Method::DELETE, &path).await;
        }
        return Err(failure);
    }
    attached.until_exit(client, &id).await
}

async fn start(client: &Client, id: &str) -> Outcome {
    let path = Path::container(id, "/start");
    client.command(Method::POST, &path).await.map_err(|error| Failure::NotRun {
        code: start_exit_code(&error.to_string()),
        text: error.to_string(),
    })
}

/// What the daemon's text says about why a program could not be run.
fn start_exit_code(text: &str) -> i32 {
    let text = text.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if says(&["executable file not found", "no such file or directory", "cannot find the file"]) {
        NOT_FOUND
    } else if says(&["permission denied", "is a directory", "exec format error"]) {
        NOT_EXECUTABLE
    } else {
        DAEMON_FAILED
    }
}

/// Everything that has to be in place before the container starts, so that nothing is missed.
struct Attached {
    session: Option<Session>,
    exit: http::Response<hyper::body::Incoming>,
    exit_path: Path,
    signals: bool,
    follows_size: bool,
}

impl Attached {
    async fn before_start(
        client: &Client,
        id: &str,
        attachment: &Attachment,
        args: &RunArgs,
        tty: bool,
    ) -> Result<Self, Failure> {
        let session = if attachment.any() {
            let path = Path::container(id, "/attach")
                .with("stream", 1)
                .flag("stdin", attachment.stdin)
                .flag("stdout", attachment.stdout)
                .flag("stderr", attachment.stderr)
                .maybe("detachKeys", args.detach_keys.as_ref());
            let (from, to) = client.hijack(&path, None::<&()>).await?;
            Some(Session { from, to, tty, stdin: attachment.stdin })
        } else {
            None
        };
        let condition = if args.options.auto_remove { "removed" } else { "next-exit" };
        let exit_path = Path::container(id, "/wait").with("condition", condition);
        let exit = client.stream(Method::POST, &exit_path).await?;
        let signals = args.sig_proxy && !tty;
        Ok(Self { session, exit, exit_path, signals, follows_size: tty })
    }

    /// Passes bytes and signals until the end, which is the container's exit code.
    async fn until_exit(self, client: &Client, id: &str) -> Outcome {
        let io = || Failure::io("listen for signals");
        let _signals = match self.signals {
            true => session::forward_signals(client, id).map_err(io())?,
            false => Vec::new(),
        };
        let _size = match self.follows_size {
            true => {
                Some(session::follow_size(client, Path::container(id, "/resize")).map_err(io())?)
            }
            false => None,
        };
        if let Some(session) = self.session {
            let tty = session.tty;
            session.run().await.map_err(Failure::io("pass on the container's output"))?;
            // A terminal's stream ends early when the user detached: the container runs on.
            if tty && is_running(client, id).await {
                return Ok(());
            }
        }
        let broken = |source: hyper::Error| ClientError::Body {
            path: self.exit_path.to_string(),
            source: source.into(),
        };
        let body = self.exit.into_body().collect().await.map_err(broken)?.to_bytes();
        let answer: WaitResponse = api_spec::gojson::from_slice(&body)
            .map_err(|source| ClientError::Json { path: self.exit_path.to_string(), source })?;
        if let Some(error) = answer.error.filter(|error| !error.message.is_empty()) {
            return Err(Failure::NotRun { text: error.message, code: DAEMON_FAILED });
        }
        exit(answer.status_code)
    }
}

/// The end of a command with a container's exit code.
pub(super) fn exit(code: i64) -> Outcome {
    match i32::try_from(code) {
        Ok(0) => Ok(()),
        Ok(code) => Err(Failure::Exit(code)),
        Err(_) => Err(Failure::Exit(DAEMON_FAILED)),
    }
}

/// Whether the container runs; a container that is gone does not.
pub(super) async fn is_running(client: &Client, id: &str) -> bool {
    let container = client.get::<serde_json::Value>(&Path::container(id, "/json")).await;
    container.is_ok_and(|container| container["State"]["Running"] == true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_dockers() {
        let daemon = "Error response from daemon: failed to create task: exec: ";
        for (text, code) in [
            ("\"/nope\": stat /nope: no such file or directory: unknown", 127),
            ("\"nope\": executable file not found in $PATH", 127),
            ("\"/etc\": permission denied: unknown", 126),
            ("\"/etc\": is a directory", 126),
            ("Minimum memory limit allowed is 6MB", 125),
        ] {
            assert_eq!(start_exit_code(&format!("{daemon}{text}")), code, "{text}");
        }
    }
}
