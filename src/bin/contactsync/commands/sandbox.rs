//! `sandbox`: the platform on this machine, until it is stopped.

use std::sync::Arc;

use contactsync::Stop;
use contactsync::sandbox::{Config, Faults, Sandbox, WindowKind};

use crate::args::{FaultArgs, SandboxArgs, WindowArg};
use crate::commands::runtime;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::render::console::{Console, Level};
use crate::render::summary::{counted_contacts, print};
use crate::{sandbox_state, signals};

pub fn run(args: &SandboxArgs, console: &Console) -> Result<Exit, Failure> {
    let config = Config {
        port: args.port,
        rate: args.rate,
        window: match args.window {
            WindowArg::Fixed => WindowKind::Fixed,
            WindowArg::Sliding => WindowKind::Sliding,
        },
        tokens: args.token.clone(),
        viber_tokens: args.viber_token.clone(),
        unique_fields: Vec::new(),
        faults: faults(&args.faults),
    };
    let state = args.state.as_deref();
    let saved = state.map(sandbox_state::read).transpose()?.unwrap_or_default();
    runtime()?.block_on(async {
        let stop = Stop::default();
        signals::listen(stop.clone(), console.clone(), Arc::default()).map_err(|error| Failure::unexpected(&error))?;
        let sandbox = Sandbox::start_with(config, saved).await.map_err(|error| {
            Failure::usage_text(format!("cannot listen on 127.0.0.1:{}: {error}", args.port))
                .hint("take another --port, or 0 for any that is free")
        })?;
        if let Some(path) = state {
            sandbox_state::begin(path, &sandbox)?;
        }
        let url = sandbox.url();
        // The URL is what a script waits for, so it stands alone on standard output.
        print(&url)?;
        let root = url.trim_end_matches("/api/v1");
        console.say(Level::Info, &format!("page: {root}/"));
        console.say(Level::Info, &format!("contacts: {root}/_sandbox/contacts?token=TOKEN"));
        console.say(Level::Info, &format!("calls: {root}/_sandbox/calls"));
        let Some(path) = state else {
            stop.asked().await;
            sandbox.stop().await;
            return Ok(Exit::Done);
        };
        sandbox_state::save_until(&stop, &sandbox, path, console).await;
        let last = sandbox.stop_and_save().await;
        sandbox_state::write(path, &last)?;
        console.say(Level::Info, &format!("{}: saved {}", path.display(), counted_contacts(last.contacts() as u64)));
        Ok(Exit::Done)
    })
}

fn faults(args: &FaultArgs) -> Faults {
    Faults {
        seed: args.seed,
        rules: args.fault.clone(),
        stored_forms: args.stored_form.clone(),
        hit_bytes: args.hit_bytes,
        lose_before: args.lose_before,
        bad_gateway: args.bad_gateway,
        throttle: args.throttle,
        throttle_seconds: args.throttle_seconds,
        throttle_bare: args.throttle_bare,
        error_500: args.error_500,
        lose_after: args.lose_after,
        error_500_after: args.error_500_after,
        bad_gateway_after: args.bad_gateway_after,
        cut_body: args.cut_body,
        slow: args.slow,
        slow_for: args.slow_for.0,
        latency: args.latency.0,
        queued: args.queued.0,
        late_search: args.late_search.0,
        others: args.others,
        strip_limit: args.strip_limit,
    }
}
