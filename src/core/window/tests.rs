//! The window: tables of cases here, and properties against several kinds of servers and other clients.

mod properties;
mod servers;
mod shared;

use super::*;

const SPAN: u64 = 60_250;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + millis)
}

fn granted(window: &mut Window, millis: u64) -> bool {
    matches!(window.admit(at(millis)), Admission::Granted(_))
}

#[test]
fn a_quiet_minute_permits_a_burst_of_the_limit_and_no_more() {
    let mut window = Window::new(3);
    assert!((0..3).all(|_| granted(&mut window, 0)));
    assert!(matches!(window.admit(at(0)), Admission::WhenOneFinishes));
    window.finish(at(100));
    assert!(matches!(window.admit(at(100)), Admission::At(t) if t == at(100 + SPAN)));
    assert!(!granted(&mut window, 100 + SPAN - 1));
    assert!(granted(&mut window, 100 + SPAN));
}

#[test]
fn calls_that_ended_before_a_restart_still_count() {
    let mut window = Window::restored(2, [at(500), at(0), at(900_000)], at(1_000));
    assert_eq!(window.used(at(1_000)), 3);
    // Two must leave before there is room for one.
    assert!(matches!(window.admit(at(1_000)), Admission::At(t) if t == at(500 + SPAN)));
    assert!(granted(&mut window, 500 + SPAN));
    // The one from the future counts as ended a call's time after the restart.
    assert!(matches!(window.admit(at(500 + SPAN)), Admission::At(t) if t == at(31_000 + SPAN)));
}

#[test]
fn a_clock_that_goes_back_never_frees_a_slot_early() {
    let mut window = Window::new(2);
    assert!(granted(&mut window, 0) && granted(&mut window, 0));
    window.finish(at(1_000));
    window.finish(at(10));
    assert!(!granted(&mut window, 10 + SPAN));
    assert!(granted(&mut window, 1_000 + SPAN));
}

fn stated(limit: u32, remaining: u32) -> RateLimit {
    RateLimit { limit, remaining: Some(remaining) }
}

#[test]
fn a_lower_limit_of_the_platform_holds_and_a_higher_one_changes_nothing() {
    let mut window = Window::new(3);
    let learn = |window: &mut Window, limit| window.learn(RateLimit { limit, remaining: None }, at(0), at(0));
    assert_eq!(learn(&mut window, 200), []);
    assert_eq!(learn(&mut window, 2), [Learned::Limit(2)]);
    assert_eq!(learn(&mut window, 2), []);
    assert!(granted(&mut window, 0) && granted(&mut window, 0) && !granted(&mut window, 0));
    assert_eq!(learn(&mut window, 200), [Learned::Limit(3)]);
    assert!(granted(&mut window, 0) && !granted(&mut window, 0));
    // A limit of 0 counts as 1: without any call, a change would never be noticed.
    assert_eq!(learn(&mut window, 0), [Learned::Limit(1)]);
}

#[test]
fn a_limit_that_is_not_stated_again_is_forgotten_after_a_day() {
    let mut window = Window::new(3);
    let day = 24 * 3_600_000;
    window.state_limit(2, at(0));
    assert_eq!((window.limit(at(day - 1)), window.limit(at(day))), (2, 3));
    assert!((0..3).all(|_| granted(&mut window, day)) && !granted(&mut window, day));
    // Stated again, it holds for another day.
    let mut window = Window::new(3);
    window.state_limit(2, at(0));
    let again = RateLimit { limit: 2, remaining: None };
    assert_eq!(window.learn(again, at(day - 1), at(day - 1)), []);
    assert_eq!((window.limit(at(2 * day - 2)), window.limit(at(2 * day - 1))), (2, 3));
    assert_eq!(window.learn(again, at(2 * day), at(2 * day)), [Learned::Limit(2)]);
}

/// Each step: when a call ends that took 100 ms, how many of 10 calls the platform states as remaining, and how
/// many calls then count for other clients.
fn check_others(steps: &[(u64, u32, usize)]) {
    let mut window = Window::new(10);
    for &(millis, remaining, others) in steps {
        assert!(granted(&mut window, millis - 100), "at {millis}");
        window.finish(at(millis));
        window.learn(stated(10, remaining), at(millis - 100), at(millis));
        assert_eq!(window.others(at(millis)), others, "at {millis}");
    }
}

#[test]
fn calls_that_cannot_be_ours_count_for_other_clients_for_a_minute() {
    check_others(&[(1_000, 9, 0), (2_000, 8, 0), (3_000, 7, 0)]);
    // Two of them, which are not counted again with each answer; then one more.
    check_others(&[(1_000, 7, 2), (2_000, 6, 2), (3_000, 4, 3)]);
    // They leave after a minute, and what is unexplained then is new.
    check_others(&[(1_000, 7, 2), (61_000, 8, 2), (61_251, 8, 0), (61_500, 5, 2)]);
    // A server that has just begun its minute anew knows of less than we do.
    check_others(&[(1_000, 9, 0), (2_000, 8, 0), (3_000, 9, 0)]);
}

#[test]
fn calls_of_other_clients_take_room_and_give_it_back() {
    let mut window = Window::new(5);
    assert!(granted(&mut window, 0));
    window.finish(at(100));
    assert_eq!(window.learn(stated(5, 1), at(0), at(100)), [Learned::Others(3)]);
    assert!(granted(&mut window, 200));
    assert!(matches!(window.admit(at(200)), Admission::At(t) if t == at(100 + SPAN)));
    // They use the part of a larger limit that our own limit leaves.
    assert_eq!(window.learn(stated(20, 15), at(0), at(200)), []);
    assert!((0..3).all(|_| granted(&mut window, 200)));
    assert!(matches!(window.admit(at(200)), Admission::At(t) if t == at(100 + SPAN)));
}

#[test]
fn a_slow_answer_reports_on_calls_that_no_longer_count() {
    let mut window = Window::new(10);
    assert!(granted(&mut window, 0));
    window.finish(at(10));
    assert!(granted(&mut window, 59_000));
    window.finish(at(80_000));
    // At its beginning the first still counted, so two are explained, though only one counts by now.
    assert_eq!((window.used(at(80_000)), window.learn(stated(10, 8), at(59_000), at(80_000))), (1, vec![]));
    assert_eq!(window.learn(stated(10, 7), at(59_000), at(80_000)), [Learned::Others(1)]);
    // Nothing is concluded from an answer that took longer than ends are kept.
    assert_eq!(window.learn(stated(10, 0), at(49_999), at(80_000)), []);
}

#[test]
fn a_call_without_an_answer_counts_longer_and_one_that_never_left_does_not_count() {
    let mut window = Window::new(1);
    assert!(granted(&mut window, 0));
    window.give_back();
    assert!(granted(&mut window, 0));
    window.finish_unanswered(at(0));
    assert!(!granted(&mut window, 30_000 + SPAN - 1));
    assert!(granted(&mut window, 30_000 + SPAN));
}
