//! Coordinates of charts for an SVG. Knows nothing of HTML.

use super::model::{Figures, Interval, Performance};
use super::text::millis;

/// Frame of the drawing, in its own units.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 350.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 172.0;

/// A chart.
pub(super) struct Chart {
    pub(super) title: &'static str,
    /// Horizontal lines: position and label.
    pub(super) grid: Vec<(String, String)>,
    /// Labels below the chart: position and text.
    pub(super) ticks: Vec<(String, String)>,
    pub(super) bars: Vec<Bar>,
    /// Lines: class and points.
    pub(super) lines: Vec<(&'static str, String)>,
}

/// A bar.
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) width: String,
    pub(super) height: String,
    pub(super) title: String,
}

/// The charts of a run.
pub(super) fn charts(performance: &Performance) -> Vec<Chart> {
    let percentiles = percentiles(performance);
    let interval = seconds(performance.interval_us);
    #[expect(clippy::cast_precision_loss, reason = "a drawing")]
    let throughput = over_time(
        "Answers a second",
        performance,
        |slot| (slot.count > 0).then_some(slot.count as f64 / interval.max(1e-6)),
        |value| format!("{value:.0}"),
    );
    #[expect(clippy::cast_precision_loss, reason = "a drawing")]
    let latency = over_time(
        "Latency over time (p95)",
        performance,
        |slot| (slot.count > 0).then_some(slot.p95_us as f64),
        axis_millis,
    );
    vec![percentiles, latency, throughput]
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a label")]
fn axis_millis(micros: f64) -> String {
    millis(micros as u64)
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn percentiles(performance: &Performance) -> Chart {
    let of = |f: &Figures| [f.p50_us, f.p90_us, f.p95_us, f.p99_us, f.max_us];
    let (then, now) = (performance.recorded.as_ref().map(of), performance.replayed.as_ref().map(of));
    let all = [then, now].into_iter().flatten().flatten();
    let most = all.max().unwrap_or(1).max(1) as f64;
    let (mut bars, mut ticks) = (Vec::new(), Vec::new());
    let step = (RIGHT - LEFT) / 5.0;
    for (number, name) in ["p50", "p90", "p95", "p99", "max"].into_iter().enumerate() {
        let from = LEFT + step * number as f64;
        ticks.push((fixed(from + step / 2.0), name.to_owned()));
        for (class, values, shift) in [("then", then, 0.15), ("now", now, 0.5)] {
            let Some(value) = values.map(|values| values[number]) else { continue };
            let height = (BOTTOM - TOP) * value as f64 / most;
            bars.push(Bar {
                class,
                x: fixed(from + step * shift),
                y: fixed(BOTTOM - height),
                width: fixed(step * 0.32),
                height: fixed(height),
                title: format!("{name}: {}", millis(value)),
            });
        }
    }
    Chart { title: "Latency", grid: grid(most, axis_millis), ticks, bars, lines: Vec::new() }
}

#[expect(clippy::cast_precision_loss, reason = "a drawing")]
fn over_time(
    title: &'static str,
    performance: &Performance,
    value: impl Fn(&Interval) -> Option<f64>,
    label: impl Fn(f64) -> String,
) -> Chart {
    let series = [("then", &performance.recorded_timeline), ("now", &performance.timeline)];
    let slots = series.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0).max(2);
    let most =
        series.iter().flat_map(|(_, slots)| slots.iter().filter_map(&value)).fold(0.0, f64::max).max(1e-9);
    let x = |number: usize| LEFT + (RIGHT - LEFT) * number as f64 / (slots - 1) as f64;
    let lines = series.map(|(class, slots)| {
        let point = |(number, slot): (usize, &Interval)| {
            let y = BOTTOM - (BOTTOM - TOP) * value(slot)? / most;
            Some(format!("{},{}", fixed(x(number)), fixed(y)))
        };
        (class, slots.iter().enumerate().filter_map(point).collect::<Vec<_>>().join(" "))
    });
    let whole = seconds(performance.interval_us) * slots as f64;
    let ticks = [0.0, 0.5, 1.0].map(|part| {
        let at = LEFT + (RIGHT - LEFT) * part;
        (fixed(at.min(RIGHT - 15.0)), format!("{:.1} s", whole * part))
    });
    Chart { title, grid: grid(most, label), ticks: ticks.into(), bars: Vec::new(), lines: lines.into() }
}

fn grid(most: f64, label: impl Fn(f64) -> String) -> Vec<(String, String)> {
    let line = |part: f64| (fixed(BOTTOM - (BOTTOM - TOP) * part), label(most * part));
    [0.0, 0.5, 1.0].map(line).into()
}

fn fixed(value: f64) -> String {
    format!("{value:.1}")
}
