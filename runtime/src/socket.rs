//! What the kernel knows of a unix socket's other end.

use std::io;
use std::os::fd::BorrowedFd;

use crate::sys;

/// Whether the peer has read everything that was sent to it (`SIOCOUTQ`, unix(7)).
///
/// # Errors
/// When `socket` is no socket.
pub fn is_read(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(sys::socket::unread(socket)? == 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn tells_when_the_peer_has_read() {
        let (mut near, mut far) = UnixStream::pair().unwrap();
        assert!(is_read(near.as_fd()).unwrap());
        near.write_all(b"head").unwrap();
        assert!(!is_read(near.as_fd()).unwrap());
        far.read_exact(&mut [0; 4]).unwrap();
        assert!(is_read(near.as_fd()).unwrap());
    }
}
