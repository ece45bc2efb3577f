//! Parts of the protocol that no grant has a branch for, one file a specification.

mod pkce;

pub use pkce::Pkce;
