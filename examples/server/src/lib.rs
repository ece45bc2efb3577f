//! bundled server
