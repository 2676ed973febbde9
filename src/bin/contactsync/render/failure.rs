//! Prints failures.

use crate::failure::Failure;
use crate::render::console::{Console, Level};

/// Prints a failure with its details and its hint, after a text that names the place.
pub fn print(failure: &Failure, place: &str, console: &Console) {
    console.say(Level::Error, &format!("{place}{}", failure.message));
    for line in &failure.details {
        console.say(Level::Exit, line);
    }
    if let Some(hint) = &failure.hint {
        console.say(Level::Hint, hint);
    }
}
