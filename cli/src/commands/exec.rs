//! `jocker exec`

use api_spec::container::StringList;
use api_spec::exec::{ExecConfig, ExecCreated, ExecInspect, ExecStart};
use http::Method;

use super::{Failure, Outcome, run};
use crate::args::ExecArgs;
use crate::client::{Client, Path, encode_segment};
use crate::options::environment;
use crate::session::{self, Session};
use crate::terminal;

pub(super) async fn exec(client: &Client, args: ExecArgs) -> Outcome {
    if args.interactive && args.tty && !args.detach && !terminal::stdin_is_terminal() {
        return Err(Failure::Message("the input device is not a TTY".into()));
    }
    let console_size = match terminal::size() {
        Some((rows, columns)) if args.tty => Some([u32::from(rows), u32::from(columns)]),
        _ => None,
    };
    let config = ExecConfig {
        user: args.user.unwrap_or_default(),
        privileged: args.privileged,
        tty: args.tty,
        console_size,
        attach_stdin: args.interactive && !args.detach,
        attach_stdout: !args.detach,
        attach_stderr: !args.detach,
        detach: args.detach,
        detach_keys: args.detach_keys.unwrap_or_default(),
        env: Some(environment(&args.env, &args.env_file)?),
        working_dir: args.workdir.unwrap_or_default(),
        cmd: Some(StringList(args.command)),
    };
    let path = Path::container(&args.container, "/exec");
    let created: ExecCreated = client.call(Method::POST, &path, Some(&config)).await?;
    let of_exec = |rest: &str| Path::new(format!("/exec/{}{rest}", encode_segment(&created.id)));
    let start = ExecStart { detach: args.detach, tty: args.tty, console_size };
    if args.detach {
        return Ok(client.post_quietly(&of_exec("/start"), &start).await?);
    }
    let (from, to) = client.hijack(&of_exec("/start"), Some(&start)).await?;
    let _size = match args.tty {
        true => Some(
            session::follow_size(client, of_exec("/resize"))
                .map_err(Failure::io("listen for changes of the terminal's size"))?,
        ),
        false => None,
    };
    let session = Session { from, to, tty: args.tty, stdin: args.interactive };
    session.run().await.map_err(Failure::io("pass on the command's output"))?;
    let ended: ExecInspect = client.get(&of_exec("/json")).await?;
    run::exit(ended.exit_code.unwrap_or(0))
}
