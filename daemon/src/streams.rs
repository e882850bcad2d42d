//! A client's connection beside a monitor's: bytes go both ways until the container's side ends, the client goes, or
//! the client types the keys to detach.

mod detach;
mod form;
pub(crate) mod websocket;

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) use detach::Keys;
pub(crate) use form::Form;

/// Bytes that are moved at once.
const CHUNK: usize = 32 * 1024;
/// How long a client whose output is complete waits for the end of the program to be known. A program may also close
/// its streams and run on.
const END_LIMIT: Duration = Duration::from_secs(2);

/// What is agreed with a client.
#[derive(Debug)]
pub(crate) struct Terms {
    /// What becomes of the output.
    pub(crate) form: Form,
    /// What the client sends is passed on. Clients without it close their side at once and go on reading.
    pub(crate) stdin: bool,
    /// What detaches, for clients with a terminal.
    pub(crate) keys: Option<Keys>,
    /// The end of what the client sends detaches it too, and is not the end of the program's input.
    pub(crate) leaves: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The container's streams have ended, or the client has gone.
    Closed,
    /// The client typed the keys.
    Detached,
}

/// Moves bytes until the session ends. `ended`: the end of the program, which is waited for before the connection is
/// closed, because clients ask for the exit code then.
pub(crate) async fn join(
    client: impl AsyncRead + AsyncWrite,
    monitor: UnixStream,
    terms: Terms,
    ended: impl Future<Output = ()>,
) -> End {
    let Terms { form, stdin, keys, leaves } = terms;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_monitor, mut to_monitor) = monitor.into_split();
    let has_left = AtomicBool::new(false);
    let end = {
        let output = async {
            // Errors on either side are the end of the session; there is nobody to tell.
            let _ = copy(&mut from_monitor, &mut to_client, form).await;
            if !has_left.load(Ordering::Relaxed) {
                let _ = tokio::time::timeout(END_LIMIT, ended).await;
            }
            End::Closed
        };
        let input = async {
            if take_in(&mut from_client, &mut to_monitor, stdin, keys).await == End::Detached {
                return End::Detached;
            }
            // The half close is the end of standard input; the output goes on.
            if stdin {
                has_left.store(leaves, Ordering::Relaxed);
                let _ = to_monitor.shutdown().await;
            }
            std::future::pending().await
        };
        tokio::select! {
            end = output => end,
            end = input => end,
        }
    };
    let _ = to_client.shutdown().await;
    end
}

/// Passes on what a client sends, until it sends no more or types the keys.
async fn take_in(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    stdin: bool,
    keys: Option<Keys>,
) -> End {
    let mut keys = keys.map(detach::Matcher::new);
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = match from.read(&mut buffer).await {
            Ok(read) if read > 0 => read,
            _ => return End::Closed,
        };
        if !stdin {
            continue;
        }
        let typed = &buffer[..read];
        let sent = match keys.as_mut().map(|keys| keys.feed(typed)) {
            None => to.write_all(typed).await,
            Some(detach::Fed::Pass(bytes)) => to.write_all(&bytes).await,
            Some(detach::Fed::Detach(bytes)) => {
                let _ = to.write_all(&bytes).await;
                return End::Detached;
            }
        };
        if sent.is_err() {
            return End::Closed;
        }
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    mut form: Form,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        match &mut form {
            Form::AsIs => to.write_all(&buffer[..read]).await?,
            form => to.write_all(&form.apply(&buffer[..read])).await?,
        }
        to.flush().await?;
    }
}
