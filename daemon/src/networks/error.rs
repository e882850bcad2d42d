//! Why the network service says no, in dockerd's words, and with which status.

use std::net::IpAddr;

use axum::http::StatusCode;
use runtime::network::ipam::{Ipam6Error, IpamError};
use runtime::network::{NetworkError, Publication};

use crate::http;

/// Why there is no such network, or a container has no place in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the default bridge is switched off; use another network mode")]
    NoBridge,
    #[error("network {0} not found")]
    NoNetwork(String),
    #[error("configuration network {0:?} does not exist")]
    NoConfiguration(String),
    #[error("network with name {0} already exists")]
    NameTaken(String),
    /// The request says something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// What is asked for is against the rules.
    #[error("{0}")]
    Forbidden(String),
    #[error("plugin {0:?} not found")]
    NoPlugin(String),
    /// Docker has it, this daemon does not.
    #[error("{0}")]
    Unsupported(String),
    /// The database, or something that should not have happened.
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Ipam(IpamError),
    #[error(transparent)]
    Ipam6(Ipam6Error),
    /// Docker's text for an address that somebody has, or that a container can not have.
    #[error("Address already in use")]
    AddressInUse,
    /// Every address of the network is leased. `family` is `IPv4` or `IPv6`.
    #[error("no available {family} addresses on this network's address pools: {name} ({id})")]
    NoAddress { family: &'static str, name: String, id: String },
    #[error("Bind for {host}:{host_port} failed: port is already allocated")]
    PortAllocated { host: IpAddr, host_port: u16 },
    #[error("a port can not be published on {0}: the container has no IPv6 address")]
    NoV6(IpAddr),
    #[error(
        "failed to bind host port for {}:{}:{}:{}/{}: {why}",
        publication.host, publication.host_port, publication.address, publication.port, publication.protocol.name()
    )]
    PortInUse { publication: Publication, why: String, in_use: bool },
    #[error("all ports are allocated")]
    NoPort,
}

impl Error {
    pub(crate) fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NoNetwork(_)
            | Self::NoConfiguration(_)
            | Self::NoPlugin(_)
            | Self::Ipam(IpamError::NoSubnet) => StatusCode::NOT_FOUND,
            Self::NameTaken(_) => StatusCode::CONFLICT,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Forbidden(_) | Self::AddressInUse => StatusCode::FORBIDDEN,
            Self::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<IpamError> for Error {
    fn from(error: IpamError) -> Self {
        match error {
            IpamError::InUse(_) => Self::AddressInUse,
            error => Self::Ipam(error),
        }
    }
}

impl From<Ipam6Error> for Error {
    fn from(error: Ipam6Error) -> Self {
        match error {
            Ipam6Error::InUse(_) => Self::AddressInUse,
            error => Self::Ipam6(error),
        }
    }
}

impl From<Error> for http::error::Error {
    fn from(error: Error) -> Self {
        Self::new(error.status(), error)
    }
}
