//! A sync of a file that the program contains, into a sandbox in this process.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use contactsync::client::{ChannelKind, Timeouts};
use contactsync::report::{PlanError, RunSummary};
use contactsync::sandbox::Sandbox;
use contactsync::{
    BaseUrl, Clock, Connection, Environment, Format, Http, Mapping, Mode, Policy, Source, Stop, SyncError, SyncInput,
    Token, Workspace, sync_input,
};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::render::console::Console;
use crate::render::notices::{Announcement, Notices};
use crate::render::progress::Progress;
use crate::render::reporter::Printer;
use crate::signals;

/// The name of the file.
pub const NAME: &str = "fixtures/contacts.csv";

/// The token of the sandbox.
pub const TOKEN: &str = "demo";

/// The rate limit (API.md, "The limit"). The 20 contacts of the file take 60 calls when no answer is lost, and less than
/// 100 with the lost answers of the demo, so it never waits for the limit.
pub const CALLS_A_MINUTE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

const CONTACTS: &str = include_str!("../../../../fixtures/contacts.csv");
const CHANNEL: &str = "demo";

/// How long to search for a contact after the answer to its create was lost. The sandbox shows a new contact at once.
const SEARCH_LAG: Duration = Duration::from_secs(10);

/// Syncs a file into a sandbox, with a journal in memory.
pub struct DemoSync<'a> {
    runtime: &'a Runtime,
    url: BaseUrl,
    workspace: Workspace,
    clock: Clock,
    pub stop: Stop,
}

impl<'a> DemoSync<'a> {
    pub fn new(runtime: &'a Runtime, sandbox: &Sandbox, console: &Console) -> Result<Self, Failure> {
        let url = BaseUrl::parse(&sandbox.url(), false).map_err(|error| Failure::unexpected(&error))?;
        let stop = Stop::default();
        signals::listen(stop.clone(), console.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
        Ok(Self { runtime, url, workspace: Workspace::in_memory()?, clock: Clock::system(), stop })
    }

    /// Syncs the file. Returns `None` when it was stopped before anything was sent.
    pub fn sync(&self, console: &Console) -> Result<Option<RunSummary>, Failure> {
        let source = Source::from_reader(NAME, Box::new(CONTACTS.as_bytes()), Format::Csv)
            .map_err(|error| Failure::unexpected(&error))?;
        let policy = Policy { search_lag: SEARCH_LAG, ..Policy::new(Mode::Upsert) };
        let mapping = Mapping::new(source.header(), vec!["phone".into()], policy.mode)
            .map_err(|error| Failure::unexpected(&error))?;
        let token = Token::new(TOKEN).map_err(|error| Failure::unexpected(&error))?;
        let http = Http::new(self.url.clone(), token, ChannelKind::Standard, Timeouts::default())
            .map_err(|error| Failure::unexpected(&error))?;
        let channel = (CHANNEL.into(), Connection::new(http, CALLS_A_MINUTE));
        let input = SyncInput::new(vec![channel], source, &mapping, policy);
        let printer = Printer {
            notices: Notices { console, announcement: Announcement::default() },
            progress: Progress::new(console, NAME),
            channels: None,
            reading: Arc::default(),
            input_notices: RefCell::default(),
        };
        let (runtime, clock, stop) = (self.runtime.handle(), &self.clock, &self.stop);
        let environment = Environment { runtime, clock, stop, reporter: &printer };
        match sync_input(&self.workspace, input, environment) {
            Ok(outcome) => Ok(Some(outcome.summary?)),
            Err(SyncError::Plan(PlanError::Stopped)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
