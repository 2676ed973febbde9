//! Connects the channels of a command.

use std::collections::BTreeMap;

use contactsync::Connection;
use contactsync::client::{Clients, Timeouts};
use contactsync::history::RunRow;

use crate::failure::Failure;
use crate::render::notices::Announcement;
use crate::settings::{Channel, Channels, Connected, Earlier};

/// Channels with their connections, by name, and what is announced before the first call.
pub struct Connections {
    pub channels: Vec<(String, Connection)>,
    pub announcement: Announcement,
}

impl Connections {
    /// Connects all channels. Fails at the first one that cannot be connected.
    pub fn all(channels: &Channels) -> Result<Self, Failure> {
        let connected = connect(channels.here().iter().map(|channel| (channel, None)));
        Ok(Self::of(connected.map(required).collect::<Result<_, _>>()?))
    }

    /// Connects the only channel of a command that reads one channel back.
    pub fn only(channels: &Channels) -> Result<((String, Connection), Announcement), Failure> {
        if channels.are_several() {
            return Err(Failure::usage_text("the configuration has several channels, and one is read at a time")
                .hint("use --channel NAME"));
        }
        let Self { channels: mut connected, announcement } = Self::all(channels)?;
        let channel = connected.pop().ok_or_else(|| Failure::usage_text("no channel is configured"))?;
        Ok((channel, announcement))
    }

    /// Connects the channels of interrupted runs, which provide what the settings leave out. Fails at the first one that cannot
    /// be connected.
    pub fn of_runs(channels: &Channels, runs: &[RunRow]) -> Result<Self, Failure> {
        let with_channels = runs.iter().filter_map(|run| {
            let channel = channels.here().iter().find(|channel| channel.name == run.channel)?;
            Some((channel, Some(Earlier::from(run))))
        });
        Ok(Self::of(connect(with_channels).map(required).collect::<Result<_, _>>()?))
    }

    /// Connects the channels that can be connected. Returns the failures of the others, by name.
    pub fn available(channels: &Channels) -> (Self, BTreeMap<String, Failure>) {
        let (mut available, mut failed) = (Vec::new(), BTreeMap::new());
        for (name, connected) in connect(channels.here().iter().map(|channel| (channel, None))) {
            match connected {
                Ok(connected) => available.push((name, connected)),
                Err(failure) => drop(failed.insert(name, failure)),
            }
        }
        (Self::of(available), failed)
    }

    fn of(connected: Vec<(String, Connected)>) -> Self {
        let (mut channels, mut warnings) = (Vec::new(), Vec::new());
        for (name, Connected { connection, warning }) in connected {
            warnings.extend(warning);
            channels.push((name, connection));
        }
        let announcement = Announcement::of(channels.iter().map(|(_, connection)| connection.url()), warnings);
        Self { channels, announcement }
    }
}

// Reads the token of each channel when it is its turn; sends nothing.
fn connect<'a>(
    channels: impl Iterator<Item = (&'a Channel, Option<Earlier>)>,
) -> impl Iterator<Item = (String, Result<Connected, Failure>)> {
    let clients = Clients::new(Timeouts::default());
    channels.map(move |(channel, earlier)| (channel.name.clone(), channel.connect(&clients, earlier.as_ref())))
}

fn required((name, connected): (String, Result<Connected, Failure>)) -> Result<(String, Connected), Failure> {
    connected.map(|connected| (name, connected))
}
