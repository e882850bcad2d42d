//! Types of this resource on the wire.
