//! Stores that ship with the library.

mod memory;

pub use memory::MemoryStore;
