//! What touches the world: files, the journal, the network, waiting. Edges build on the core and never on each other.

pub mod journal;
pub mod pace;
pub mod platform;
pub mod report;
pub mod sandbox;
pub mod source;
