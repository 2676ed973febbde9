//! Raw HTTP answers and the rules that must hold for what the parser makes of them. `tests/answers` and the fuzz target check
//! the same rules.

pub mod oracle;
pub mod raw;
