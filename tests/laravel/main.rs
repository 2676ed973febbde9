//! The program against the documented API on the framework that the platforms are built with (API.md, "The limit").
//!
//! `app/` is a small Laravel application: its routes, controller and table of contacts belong to this project; the router, the throttle
//! middleware, the validator, the paginator, the exception handler and the error pages are the framework's, from Debian's
//! packages. It runs in PHP's own web server, one server for each test, and ends with the test.
//!
//! Without PHP or the framework the tests are reported as skipped; with `CI=true` they fail.

mod answers;
mod calls_a_minute;
mod errors;
mod nights;
mod platform;
