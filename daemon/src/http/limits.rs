//! Every limit of the HTTP room, named.

use std::time::Duration;

/// Largest JSON body of a request, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 8 * 1024 * 1024;
/// Largest request head (request line and headers), in bytes. Go's default, which dockerd keeps.
pub(crate) const MAX_HEAD_BYTES: usize = 1024 * 1024;
/// Most header lines of one request.
pub(crate) const MAX_HEADERS: usize = 512;
/// How long a connection may take to send a head, and how long it may stay idle.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(300);
/// How long a client on TCP may take to show who it is.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections at once; more wait in the socket's backlog.
pub(crate) const MAX_CONNECTIONS: usize = 16 * 1024;
/// How long to wait before accepting again after accepting failed (out of file descriptors).
pub(crate) const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Pieces of a streamed answer that may wait for a slow client.
pub(crate) const STREAM_QUEUE: usize = 64;
