//! The launcher and the handshake between monitor and init.

pub mod handshake;
