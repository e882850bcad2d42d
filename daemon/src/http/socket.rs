//! A client's connection, over whatever it came: all of the HTTP room reads and writes this.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

/// An accepted connection.
#[derive(Debug)]
pub(crate) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Socket {
    /// Whether the client has read all that was sent to it. Only unix sockets can tell; of others
    /// it is believed.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Self::Unix(socket) => runtime::socket::is_read(socket.as_fd()).unwrap_or(true),
            Self::Tcp(_) | Self::Tls(_) => true,
        }
    }
}

/// Does the same with the stream inside, whichever it is.
macro_rules! inside {
    ($socket:expr, $stream:ident => $action:expr) => {
        match $socket.get_mut() {
            Socket::Unix(stream) => {
                let $stream = Pin::new(stream);
                $action
            }
            Socket::Tcp(stream) => {
                let $stream = Pin::new(stream);
                $action
            }
            Socket::Tls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $action
            }
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_read(context, buffer))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        inside!(self, stream => stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inside!(self, stream => stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        inside!(self, stream => stream.poll_shutdown(context))
    }
}
