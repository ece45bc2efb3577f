//! Stores that ship with the library.

#[cfg(feature = "cache")]
mod cached_clients;
mod memory;

#[cfg(feature = "cache")]
pub use cached_clients::CachedClients;
pub use memory::MemoryStore;
