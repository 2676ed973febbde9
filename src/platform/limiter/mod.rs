//! The rate limiter, which paces the calls: all waiting for the limit takes place here. It hands out permits one by one and in
//! order, when the [window](crate::core::window) and the quota allow a call.

mod clock;
mod delays;
mod permit_guard;
mod start_throttle;

use std::future::Future;
use std::mem;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::Quota;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use tokio::sync::Notify;

pub use self::clock::Clock;
use self::clock::SinceOrigin;
pub use self::delays::delays;
use self::permit_guard::CallEnd;
pub use self::permit_guard::PermitGuard;
pub use self::start_throttle::SharedThrottle;
use crate::core::answer::RateLimit;
use crate::core::eta::RateModel;
use crate::core::time::Timestamp;
use crate::core::window::{Admission, Learned, Permit, Window};

/// The rate limiter of one token. All channels with the same token share it.
#[derive(Debug)]
pub struct RateLimiter {
    clock: Clock,
    burst: Option<usize>,
    // The holder of this lock gets the next permit, so permits are granted in the order of the requests.
    queue: tokio::sync::Mutex<()>,
    throttle: Option<Arc<SharedThrottle>>,
    state: Mutex<LimiterState>,
    // Only for a burst that is smaller than the limit. The window itself allows a burst of the limit.
    quota: Option<governor::RateLimiter<NotKeyed, InMemoryState, SinceOrigin, NoOpMiddleware<Nanos>>>,
    changed: Notify,
}

#[derive(Debug)]
struct LimiterState {
    window: Window,
    paused_until: Option<Timestamp>,
    // One call at a time, until one is answered.
    probing: bool,
}

/// The reason why a call waits for its permit, with the earliest time at which it may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// The window is full.
    Room(Timestamp),
    /// The channel pauses.
    Pause(Timestamp),
}

/// The call cannot start in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLate;

enum NextStart {
    Permit { permit: Permit, is_probe: bool },
    At(Timestamp),
    AfterChange,
}

impl RateLimiter {
    /// Creates a limiter of `rate` calls a minute, of which at most `burst` start at once. `ended` are the times at
    /// which the calls of the past minute ended; they count already.
    pub fn new(
        rate: NonZeroU32,
        burst: Option<NonZeroU32>,
        ended: impl IntoIterator<Item = Timestamp>,
        clock: Clock,
    ) -> Self {
        let window = Window::restored(size(rate), ended, clock.now());
        let burst = burst.filter(|&burst| burst < rate);
        let quota = burst.map(|burst| Quota::per_minute(rate).allow_burst(burst));
        Self {
            quota: quota.map(|quota| governor::RateLimiter::direct_with_clock(quota, clock.since_origin())),
            clock,
            burst: burst.map(size),
            queue: tokio::sync::Mutex::new(()),
            throttle: None,
            state: Mutex::new(LimiterState { window, paused_until: None, probing: false }),
            changed: Notify::new(),
        }
    }

    /// Makes the calls of this limiter start through a shared throttle.
    #[must_use]
    pub fn with_throttle(self, throttle: Arc<SharedThrottle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    /// Applies the limit in calls a minute that the platform stated to an earlier process at `at`.
    #[must_use]
    pub fn with_stated_limit(self, limit: u32, at: Timestamp) -> Self {
        let now = self.clock.now();
        self.state().window.state_limit(limit, at.min(now));
        self
    }

    /// The time until which no call starts; `None` without a pause.
    pub fn paused_until(&self) -> Option<Timestamp> {
        let now = self.clock.now();
        self.state().paused_until.filter(|&until| until > now)
    }

    /// Waits until one more call may start. Permits are granted in the order of the requests. Dropping the future has
    /// no effect on other requests.
    ///
    /// # Errors
    /// [`TooLate`] as soon as it is certain that the call could not start by `latest`.
    pub async fn permit(&self, latest: Option<Timestamp>) -> Result<PermitGuard<'_>, TooLate> {
        let _first = self.unless_late(latest, self.queue.lock()).await?;
        // The start that the throttle reserved, once the window had room.
        let mut start = None;
        loop {
            let now = self.clock.now();
            let is_late = |moment| latest.is_some_and(|latest| moment > latest);
            if is_late(now) {
                return Err(TooLate);
            }
            match self.next(now, &mut start) {
                NextStart::Permit { permit, is_probe } => return Ok(PermitGuard::new(self, permit, now, is_probe)),
                NextStart::At(moment) if is_late(moment) => return Err(TooLate),
                NextStart::At(moment) => tokio::select! {
                    biased;
                    () = self.clock.sleep_until(moment) => {}
                    () = self.changed.notified() => {}
                },
                NextStart::AfterChange => self.unless_late(latest, self.changed.notified()).await?,
            }
        }
    }

    /// Lets no call start before `moment`; a pause that ends later stays. Returns whether there was no pause before.
    pub fn pause_until(&self, moment: Timestamp) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let earlier = state.paused_until.filter(|&earlier| earlier > now);
        if earlier.is_none_or(|earlier| earlier < moment) {
            state.paused_until = Some(moment);
            // The call that waits may be too late now.
            self.changed.notify_one();
        }
        earlier.is_none()
    }

    /// Lets no call start for `span`; a pause that ends later stays. Returns whether there was no pause before.
    pub fn pause(&self, span: Duration) -> bool {
        self.pause_until(self.clock.now() + span)
    }

    /// Lets no call start for `span`, and then one at a time until [`RateLimiter::recover`].
    pub fn pause_and_probe(&self, span: Duration) {
        self.pause(span);
        self.state().probing = true;
    }

    /// Ends the probing after the platform has answered.
    pub fn recover(&self) {
        let was_probing = mem::take(&mut self.state().probing);
        if was_probing {
            self.changed.notify_one();
        }
    }

    /// The reason why the next call waits. `None` when no call waits, or when it waits for the answer to another call.
    pub fn waits_for(&self) -> Option<WaitsFor> {
        let now = self.clock.now();
        // A call that waits holds the lock.
        let waits = self.queue.try_lock().is_err();
        let pause = self.paused_until().map(WaitsFor::Pause);
        pause.or_else(|| self.state().window.room_from(now).map(WaitsFor::Room)).filter(|_| waits)
    }

    /// Number of own calls that count against the limit now.
    pub fn used(&self) -> usize {
        let now = self.clock.now();
        self.state().window.used(now)
    }

    /// Maximum number of calls a minute: the configured rate, or the limit that the platform stated if it is lower.
    pub fn limit(&self) -> usize {
        let now = self.clock.now();
        self.state().window.limit(now)
    }

    /// Returns the model that predicts when calls can start, for `concurrency` calls in flight that take `latency`
    /// each.
    pub fn rate_model(&self, concurrency: usize, latency: Duration) -> RateModel {
        let now = self.clock.now();
        let state = self.state();
        RateModel {
            limit: state.window.limit(now),
            burst: self.burst,
            concurrency,
            latency,
            now,
            paused_until: state.paused_until,
            ended: state.window.ends(now),
            throttle: self.throttle.as_ref().map(|throttle| throttle.throttle()),
        }
    }

    fn next(&self, now: Timestamp, start: &mut Option<Timestamp>) -> NextStart {
        let mut state = self.state();
        if let Some(until) = state.paused_until.filter(|&until| now < until) {
            return NextStart::At(until);
        }
        if state.probing && state.window.has_unfinished() {
            return NextStart::AfterChange;
        }
        if let Some(throttle) = self.throttle.as_ref().filter(|_| state.window.has_room(now)) {
            let start = *start.get_or_insert_with(|| throttle.start(now));
            if now < start {
                return NextStart::At(start);
            }
        }
        // The quota is asked only when the window has room, because a cell that it grants is spent.
        if let Some(quota) = self.quota.as_ref().filter(|_| state.window.has_room(now))
            && let Err(not_yet) = quota.check()
        {
            let wait = not_yet.wait_time_from(self.clock.elapsed());
            return NextStart::At(now + wait.max(Duration::from_millis(1)));
        }
        match state.window.admit(now) {
            Admission::Granted(permit) => NextStart::Permit { permit, is_probe: state.probing },
            Admission::At(moment) => NextStart::At(moment),
            Admission::WhenOneFinishes => NextStart::AfterChange,
        }
    }

    fn end(&self, end: CallEnd) {
        let now = self.clock.now();
        let window = &mut self.state().window;
        match end {
            CallEnd::Unsent => window.give_back(),
            CallEnd::Ended => window.finish(now),
            CallEnd::Unanswered => window.finish_unanswered(now),
        }
        self.changed.notify_one();
    }

    fn learn(&self, stated: RateLimit, begun: Timestamp) -> Vec<Learned> {
        let now = self.clock.now();
        self.state().window.learn(stated, begun, now)
    }

    async fn unless_late<T>(&self, latest: Option<Timestamp>, awaited: impl Future<Output = T>) -> Result<T, TooLate> {
        let Some(latest) = latest else { return Ok(awaited.await) };
        tokio::select! {
            biased;
            value = awaited => Ok(value),
            () = self.clock.sleep_until(latest + Duration::from_millis(1)) => Err(TooLate),
        }
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        // The state is changed in single steps, so a panic elsewhere cannot leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(calls: NonZeroU32) -> usize {
    usize::try_from(calls.get()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
