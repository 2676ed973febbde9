//! A report as one self-contained HTML page: its style is inline, and it has no script and makes no request.

use contactsync::run_report::RunReport;

use super::Made;
use super::markup::Html;
use super::saved_page::BEGINNING;
use super::sections::{calls, failed, footer, header, left, missing, rejected, rows, slowest};

const STYLE: &str = include_str!("style.css");

/// Nothing is loaded, whatever the page contained.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The page.
pub fn page(report: &RunReport, made: Made<'_>) -> Html {
    let head: Html = [
        Html::open("meta", &[("charset", "utf-8")]),
        Html::open("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]),
        Html::open("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]),
        Html::open("meta", &[("name", "color-scheme"), ("content", "light dark")]),
        Html::open("meta", &[("name", "robots"), ("content", "noindex")]),
        Html::open("meta", &[("name", "referrer"), ("content", "no-referrer")]),
        Html::element("title", &[], format!("Run {} – contactsync", report.run.id)),
        Html::element("style", &[], Html::literal(STYLE)),
    ]
    .into_iter()
    .collect();
    let sections = [
        Some(rows(report)),
        Some(calls(report)),
        left(report, made.now),
        rejected(report),
        failed(report),
        missing(report),
        slowest(report),
    ];
    let main: Html = sections.into_iter().flatten().collect();
    let body: Html = [header(report, made), Html::element("main", &[], main), footer(made)].into_iter().collect();
    let mut page = Html::literal(BEGINNING);
    page.push(Html::element(
        "html",
        &[("lang", "en")],
        [Html::element("head", &[], head), Html::element("body", &[], body)].into_iter().collect::<Html>(),
    ));
    page
}
