use super::*;

#[test]
fn figures_are_those_of_all_answers() {
    let mut stats = Stats::default();
    assert_eq!(stats.figures(), None);
    for n in 1..=100u64 {
        stats.add(Duration::from_millis(n * 10), Some(Duration::from_millis(n)), false);
    }
    stats.add(Duration::from_secs(1), None, true);
    let figures = stats.figures().expect("figures");
    let near = |value: u64, expect: u64| assert!(value.abs_diff(expect) * 100 <= expect, "{value} {expect}");
    assert_eq!(figures.count, 100);
    near(figures.p50_us, 50_000);
    near(figures.p95_us, 95_000);
    near(figures.p99_us, 99_000);
    near(figures.max_us, 100_000);
    assert!((figures.per_second - 100.0).abs() < 1.0);
    let timeline = stats.timeline();
    assert_eq!(timeline.iter().map(|slot| slot.count).sum::<u64>(), 100);
    assert_eq!(timeline.iter().map(|slot| slot.failed).sum::<u64>(), 1);
}

#[test]
fn a_long_run_has_longer_intervals_and_no_more_of_them() {
    let mut stats = Stats::default();
    for second in 0..3600 {
        stats.add(Duration::from_secs(second), Some(Duration::from_micros(second + 1)), second % 2 == 0);
    }
    let timeline = stats.timeline();
    assert!(timeline.len() <= INTERVALS, "{}", timeline.len());
    assert_eq!(timeline.iter().map(|slot| slot.count).sum::<u64>(), 3600);
    assert_eq!(timeline.iter().map(|slot| slot.failed).sum::<u64>(), 1800);
    assert_eq!(stats.interval(), FIRST * 64);
}
