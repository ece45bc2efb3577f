//! Parts of the protocol that no grant has a branch for, one file a specification.

mod pkce;
mod resource_indicators;

pub use pkce::Pkce;
pub use resource_indicators::{
    InvalidResourceUri, Resource, ResourceIndicators, ResourcePolicy, ResourceRequest, ResourceTerms, ResourceUri,
};
