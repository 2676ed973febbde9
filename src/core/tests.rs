//! Tests of several modules together.

mod properties;
