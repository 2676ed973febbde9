//! Bulk import and sync of contacts into messaging platforms.
pub mod core;
pub mod edges;
pub mod engine;
