//! A client's connection beside a monitor's: bytes go both ways until the container's side ends, the client goes, or
//! the client types the keys to detach.

mod detach;
mod form;

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub(crate) use detach::Keys;
pub(crate) use form::Form;

use crate::http::hijack::Stream;

/// Bytes that are moved at once.
const CHUNK: usize = 32 * 1024;
/// How long a client whose output is complete waits for the end of the program to be known. A program may also close
/// its streams and run on.
const END_LIMIT: Duration = Duration::from_secs(2);

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The container's streams have ended, or the client has gone.
    Closed,
    /// The client typed the keys.
    Detached,
}

/// Moves bytes until the session ends. What the client sends is passed on only with `stdin`; clients without it close
/// their side at once and go on reading. `form`: what becomes of the output. `keys`: what detaches, for clients with a terminal. `ended`: the end of the
/// program, which is waited for before the connection is closed, because clients ask for the exit code then.
pub(crate) async fn join(
    client: Stream,
    monitor: UnixStream,
    mut form: Form,
    stdin: bool,
    keys: Option<Keys>,
    ended: impl Future<Output = ()>,
) -> End {
    client.head_is_read().await;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_monitor, mut to_monitor) = monitor.into_split();
    let output = async {
        // Errors on either side are the end of the session; there is nobody to tell.
        let _ = copy(&mut from_monitor, &mut to_client, &mut form).await;
        let _ = tokio::time::timeout(END_LIMIT, ended).await;
        let _ = to_client.shutdown().await;
        End::Closed
    };
    let input = async {
        let mut keys = keys.map(detach::Matcher::new);
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match from_client.read(&mut buffer).await {
                Ok(read) if read > 0 => read,
                _ => break,
            };
            if !stdin {
                continue;
            }
            let typed = &buffer[..read];
            let sent = match keys.as_mut().map(|keys| keys.feed(typed)) {
                None => to_monitor.write_all(typed).await,
                Some(detach::Fed::Pass(bytes)) => to_monitor.write_all(&bytes).await,
                Some(detach::Fed::Detach(bytes)) => {
                    let _ = to_monitor.write_all(&bytes).await;
                    return End::Detached;
                }
            };
            if sent.is_err() {
                break;
            }
        }
        // The half close is the end of standard input; the output goes on.
        if stdin {
            let _ = to_monitor.shutdown().await;
        }
        std::future::pending().await
    };
    tokio::select! {
        end = output => end,
        end = input => end,
    }
}

async fn copy(
    from: &mut (impl AsyncReadExt + Unpin),
    to: &mut (impl AsyncWriteExt + Unpin),
    form: &mut Form,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        match &mut *form {
            Form::AsIs => to.write_all(&buffer[..read]).await?,
            form => to.write_all(&form.apply(&buffer[..read])).await?,
        }
    }
}
