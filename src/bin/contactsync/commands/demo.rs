//! `demo`: imports a file into a sandbox in this process, shows the contacts there, and imports the file again to show that
//! nothing is left to do.

use contactsync::sandbox::{Config, Faults, Sandbox};

use crate::commands::demo_sync::{CALLS_A_MINUTE, DemoSync, NAME, TOKEN};
use crate::commands::runtime;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::Console;
use crate::render::demo::{platform_text, sandbox_text, stopped};
use crate::render::summary::{print, print_lines, run_text};

/// The part of the answers that get lost after the call took effect, after which a careless import creates contacts twice.
const LOST_ANSWERS: f64 = 0.04;

pub fn run(console: &Console) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let faults = Faults { seed: 2, lose_after: LOST_ANSWERS, ..Faults::default() };
    let config = Config { rate: CALLS_A_MINUTE.get(), tokens: vec![TOKEN.into()], faults, ..Config::default() };
    let sandbox = runtime.block_on(Sandbox::start(config)).map_err(|error| Failure::unexpected(&error))?;
    print(&sandbox_text(&sandbox.url(), CALLS_A_MINUTE, LOST_ANSWERS))?;
    let demo = DemoSync::new(&runtime, &sandbox, console)?;

    print_lines(&["", &format!("Importing {NAME}, matched by `phone`:")])?;
    let Some(first) = demo.sync(console)? else { return Ok(stopped(&demo.stop, console)) };
    print_lines(&run_text(&first))?;
    if demo.stop.reason().is_some() {
        return Ok(stopped(&demo.stop, console));
    }
    print_lines(&platform_text(&sandbox, TOKEN))?;
    print_lines(&["", "The same file again:"])?;
    let Some(second) = demo.sync(console)? else { return Ok(stopped(&demo.stop, console)) };
    print_lines(&run_text(&second))?;
    if demo.stop.reason().is_some() {
        return Ok(stopped(&demo.stop, console));
    }
    print_lines(&["", "Next: `contactsync plan YOUR.csv --match FIELD` shows what a sync of your own file would do."])?;

    let is_complete = u64::try_from(sandbox.contacts(TOKEN).len()) == Ok(first.rows) && first.created == first.rows;
    let is_idle = second.unchanged == second.rows && second.calls.total == 0;
    Ok(if is_complete && is_idle { Exit::Done } else { Exit::Stopped })
}
