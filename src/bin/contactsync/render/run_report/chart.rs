//! The chart of calls per minute: an inline SVG, with its labels in HTML so that they keep their size on a phone.

use std::time::Duration;

use contactsync::Timestamp;
use contactsync::run_report::{RateBar, RunReport};

use super::markup::Html;
use super::words::measured;
use crate::render::summary::{counted_calls, grouped};
use crate::render::time::{moment, time_of_day};

/// The fewest bars for which the chart has room: a short run is drawn at the left.
const FEWEST: f64 = 16.0;

/// The width of a break, in bars.
const BREAK: f64 = 1.5;

/// How far the scale goes beyond the highest line.
const HEADROOM: f64 = 1.1;

/// If the limit is so many times the busiest minute, its line would leave no room for the bars.
const FAR: f64 = 5.0;

/// The room of a label below the chart, as a share of its width on a phone: of a time of day, and of one with its date.
const LABEL: (f64, f64) = (0.16, 0.3);

/// The scale of the chart. Its height is 100.
struct Scale {
    width: f64,
    most: f64,
    // `None` if the limit is far above.
    limit: Option<f64>,
}

/// A number that is drawn. No count comes near 2^53.
#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
const fn drawn(count: u64) -> f64 {
    count as f64
}

/// The chart; `None` without calls.
pub fn chart(report: &RunReport) -> Option<Html> {
    let bars = &report.rate.bars;
    if bars.is_empty() {
        return None;
    }
    let scale = Scale::of(report);
    let (mut svg, mut axis, mut x) = (Html::default(), Axis::new(bars[0].at, scale.width), 0.0);
    for bar in bars {
        if let Some(pause) = bar.after_break {
            x += BREAK;
            svg.push(break_at(x - BREAK / 2.0, pause));
        }
        axis.mark_begin(x, bar);
        svg.push(bar_at(x, bar, &scale));
        x += 1.0;
        axis.mark_end(x, bar);
    }
    if let Some(limit) = scale.limit {
        let (y, width) = (format!("{:.2}", scale.y(limit)), format!("{:.2}", scale.width));
        svg.push(Html::element("line", &[("class", "limit"), ("x1", "0"), ("x2", &width), ("y1", &y), ("y2", &y)], ""));
    }
    let view = format!("0 0 {:.2} 100", scale.width);
    let name = format!("Calls per minute; the busiest minute had {}", report.rate.peak);
    let svg = Html::element(
        "svg",
        &[("viewBox", &view), ("preserveAspectRatio", "none"), ("role", "img"), ("aria-label", &name)],
        svg,
    );
    let mut plot = svg;
    if let Some(limit) = scale.limit {
        let top = format!("top:{:.2}%", scale.y(limit));
        plot.push(Html::element(
            "span",
            &[("class", "limit-label"), ("style", &top)],
            format!("limit {}", grouped(report.run.rate.into())),
        ));
    }
    let mut chart = Html::element("div", &[("class", "plot")], plot);
    chart.push(Html::element("div", &[("class", "axis"), ("aria-hidden", "true")], axis.finish()));
    Some(chart)
}

impl Scale {
    fn of(report: &RunReport) -> Self {
        let bars = &report.rate.bars;
        let breaks = bars.iter().filter(|bar| bar.after_break.is_some()).count() as u64;
        let width = drawn(bars.len() as u64) + BREAK * drawn(breaks);
        let (peak, limit) = (drawn(report.rate.peak), f64::from(report.run.rate));
        let limit = Some(limit).filter(|limit| *limit <= FAR * peak);
        let most = limit.unwrap_or(0.0).max(peak).max(1.0) * HEADROOM;
        Self { width: width.max(FEWEST), most, limit }
    }

    fn y(&self, calls: f64) -> f64 {
        100.0 * (1.0 - calls / self.most)
    }
}

// The mean calls per minute by their ends, one on the other, before the busiest of these minutes.
fn bar_at(x: f64, bar: &RateBar, scale: &Scale) -> Html {
    let part = |class: &'static str, from: f64, to: f64| {
        let (y, height) = (scale.y(to), (scale.y(from) - scale.y(to)).max(0.0));
        let [x, y, height] = [x + 0.08, y, height].map(|number| format!("{number:.3}"));
        let place = [("class", class), ("x", x.as_str()), ("y", &y), ("width", "0.84"), ("height", &height)];
        Html::element("rect", &place, "")
    };
    let mut drawing = Html::element("title", &[], title(bar));
    if bar.minutes > 1 {
        drawing.push(part("peak", 0.0, drawn(bar.peak)));
    }
    let mut from = 0.0;
    let calls = bar.calls;
    for (class, count) in [
        ("answered", calls.answered),
        ("refused", calls.refused),
        ("throttled", calls.throttled),
        ("unanswered", calls.unanswered),
    ] {
        if count > 0 {
            let to = from + drawn(count) / drawn(bar.minutes.max(1));
            drawing.push(part(class, from, to));
            from = to;
        }
    }
    Html::element("g", &[], drawing)
}

fn title(bar: &RateBar) -> String {
    let calls = bar.calls;
    let parts = [
        (calls.refused, "refused"),
        (calls.throttled, "answered with 429"),
        (calls.unanswered, "without a usable answer"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, what)| format!(", {} {what}", grouped(count))).collect();
    let minutes =
        if bar.minutes > 1 { format!(" in {} min, at most {} in one", bar.minutes, bar.peak) } else { String::new() };
    format!("{}: {}{minutes}{}", moment(bar.at), counted_calls(calls.total()), parts.concat())
}

fn break_at(x: f64, pause: Duration) -> Html {
    let x = format!("{x:.3}");
    let line = [("class", "break"), ("x1", x.as_str()), ("x2", &x), ("y1", "0"), ("y2", "100")];
    Html::element("line", &line, Html::element("title", &[], format!("{} without calls", measured(pause))))
}

/// The labels below the chart: when its parts begin, where there is room, and when the run ended.
struct Axis {
    width: f64,
    day: String,
    labels: Html,
    // Where the last label ends, as a share of the width.
    used: f64,
    end: Option<(f64, Timestamp)>,
}

impl Axis {
    fn new(first: Timestamp, width: f64) -> Self {
        let day = moment(first).get(..10).unwrap_or_default().to_owned();
        Self { width, day, labels: Html::default(), used: 0.0, end: None }
    }

    // The time of day, with its date on another day than the first; and the room that it takes.
    fn shown(&self, at: Timestamp) -> (String, f64) {
        let text = moment(at);
        match (text.get(..10), text.get(5..16)) {
            (Some(day), Some(date)) if day != self.day => (date.to_owned(), LABEL.1),
            _ => (time_of_day(at), LABEL.0),
        }
    }

    fn mark_begin(&mut self, x: f64, bar: &RateBar) {
        let at = x / self.width;
        let (text, room) = self.shown(bar.at);
        let is_begin = self.end.is_none() || bar.after_break.is_some();
        if is_begin && at >= self.used && at + room <= 1.0 {
            self.labels.push(label(at, &text, "from"));
            self.used = at + room;
        }
    }

    fn mark_end(&mut self, x: f64, bar: &RateBar) {
        self.end = Some((x / self.width, bar.at + Duration::from_secs(60 * bar.minutes)));
    }

    fn finish(mut self) -> Html {
        if let Some((at, end)) = self.end {
            let (text, room) = self.shown(end);
            if at - room >= self.used {
                self.labels.push(label(at, &text, "to"));
            }
        }
        self.labels
    }
}

fn label(at: f64, text: &str, class: &'static str) -> Html {
    let left = format!("left:{:.2}%", 100.0 * at.min(1.0));
    Html::element("span", &[("class", class), ("style", &left)], text)
}
