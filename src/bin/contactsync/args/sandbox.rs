//! The options of `sandbox`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use contactsync::sandbox::{Fault, Rule, StoredForm};

use crate::options::value::{TimeSpan, whole_number};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WindowArg {
    /// A minute starts with the first call, as on the platforms
    Fixed,
    /// Count the calls of the last 60 seconds
    Sliding,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = fault_names())]
pub struct SandboxArgs {
    /// Listen on this port of 127.0.0.1; 0 picks a free port
    #[arg(long, value_name = "N", default_value_t = 8100, value_parser = whole_number::<u16, { u16::MAX as u64 }>)]
    pub port: u16,
    /// Allow this many calls a minute for each token; 0 is no limit
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole_number::<u32, { u32::MAX as u64 }>)]
    pub rate: u32,
    /// Choose how the minute is counted
    #[arg(long, value_enum, default_value_t = WindowArg::Fixed)]
    pub window: WindowArg,
    /// Accept this token; repeat it for several [default: any token]
    #[arg(long, value_name = "TOKEN")]
    pub token: Vec<String>,
    /// Accept this token for a Viber channel; repeat it for several [default: none]
    #[arg(long, value_name = "TOKEN")]
    pub viber_token: Vec<String>,
    /// Keep the contacts in this file; it is loaded if it exists, and saved every 5 s and at exit [default: none]
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    #[command(flatten)]
    pub faults: FaultArgs,
}

/// Faults to inject.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults (SHARE is the fraction of all calls, from 0 to 1)")]
pub struct FaultArgs {
    /// Use this seed for the random faults; the same seed and the same order of calls give the same faults
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole_number::<u64, { u64::MAX }>)]
    pub seed: u64,
    /// Inject this fault; repeat it for several. RULE is FAULT[,share=N][,on=KIND][,from=CALL][,until=CALL][,over=BYTES][,value=TEXT], such as `unknown-error,share=0.1,on=find`
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<Rule>,
    /// Store and return the values of a field in another form, such as `phone=mexican-mobile`; repeat it for several
    #[arg(long, value_name = "FIELD=FORM", value_parser = stored_form)]
    pub stored_form: Vec<(String, StoredForm)>,
    /// Set the size of each contact that the fault `endless-hits` returns, in bytes
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = whole_number::<usize, { usize::MAX as u64 }>)]
    pub hit_bytes: usize,
    /// Send no answer, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_before: f64,
    /// Send no answer, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub lose_after: f64,
    /// Answer 500, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500: f64,
    /// Answer 500, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub error_500_after: f64,
    /// Answer 502 with an HTML page, and apply no change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway: f64,
    /// Answer 502 with an HTML page, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub bad_gateway_after: f64,
    /// Close the connection in the middle of the answer, after applying the change
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub cut_body: f64,
    /// Answer 429 with `Retry-After`, below the limit
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle: f64,
    /// Set the Retry-After of --throttle, in seconds
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole_number::<u64, { u64::MAX }>)]
    pub throttle_seconds: u64,
    /// Answer 429 without `Retry-After`, below the limit
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub throttle_bare: f64,
    /// Delay the answer
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    pub slow: f64,
    /// Set the delay of --slow
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub slow_for: TimeSpan,
    /// Delay every answer by this time
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub latency: TimeSpan,
    /// Answer 449 (still in the queue) for a contact until this time after its create
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub queued: TimeSpan,
    /// Let the search find a change only after this time
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub late_search: TimeSpan,
    /// Simulate another client that makes this many calls a minute with each token
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole_number::<u32, { u32::MAX as u64 }>)]
    pub others: u32,
    /// Omit the `X-RateLimit` headers and `Retry-After`
    #[arg(long)]
    pub strip_limit: bool,
}

const EXAMPLES: &str = "\
Examples:
  contactsync sandbox --port 0 --rate 0
  contactsync sandbox --state sandbox.json
  contactsync sandbox --lose-after 0.01 --late-search 5s
  contactsync sandbox --fault token-expired,from=20";

fn fault_names() -> String {
    let names: Vec<String> = Fault::ALL.iter().map(|fault| fault.name().replace('_', "-")).collect();
    format!("Faults for --fault: {}\n\n{EXAMPLES}", names.join(", "))
}

fn stored_form(text: &str) -> Result<(String, StoredForm), String> {
    let (field, form) = text.split_once('=').ok_or_else(|| format!("expected FIELD=FORM, found `{text}`"))?;
    Ok((field.to_owned(), form.parse()?))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("expected a number from 0 to 1, found `{text}`")),
    }
}
