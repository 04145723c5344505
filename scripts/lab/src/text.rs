//! Figures as people read them.

use std::time::Duration;

use hdrhistogram::Histogram;

/// A duration with three significant digits and the unit that fits.
pub fn duration(duration: Duration) -> String {
    nanoseconds(duration.as_secs_f64() * 1e9)
}

/// Nanoseconds with three significant digits and the unit that fits.
pub fn nanoseconds(value: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| value >= *size * 0.9995)
        .unwrap_or((1.0, "ns"));
    format!("{} {unit}", three_digits(value / size))
}

/// Nanoseconds as they stand at an axis, without zeros at the end.
pub fn round_nanoseconds(value: f64) -> String {
    let text = nanoseconds(value);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    format!("{} {unit}", trimmed(number))
}

/// Three significant digits, without zeros at the end of a fraction.
pub fn plain(value: f64) -> String {
    trimmed(&three_digits(value)).to_owned()
}

fn trimmed(number: &str) -> &str {
    if number.contains('.') {
        number.trim_end_matches('0').trim_end_matches('.')
    } else {
        number
    }
}

/// Three significant digits of a number from 0.001 on; the whole of larger
/// ones, in groups.
pub fn three_digits(value: f64) -> String {
    let size = value.abs();
    let decimals = if size >= 99.95 || size == 0.0 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        3
    };
    grouped(&format!("{value:.decimals$}"))
}

/// A whole number in groups of three digits.
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// Puts a thin space between groups of three digits before the point.
fn grouped(number: &str) -> String {
    let (whole, rest) = match number.find('.') {
        Some(point) => number.split_at(point),
        None => (number, ""),
    };
    if whole.len() < 5 {
        return number.to_owned();
    }
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text + rest
}

/// A row of blocks, one for each third of a decade from 1 µs to 10 s: how
/// the latencies of a histogram are spread.
pub fn blocks(histogram: &Histogram<u64>) -> String {
    const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const COLUMNS: usize = 21;
    let mut columns = [0u64; COLUMNS];
    for value in histogram.iter_recorded() {
        let microseconds = value.value_iterated_to() as f64 / 1e3;
        let begin = |column: &usize| 10_f64.powf(*column as f64 / 3.0);
        let columns_before =
            (1..COLUMNS).take_while(|it| microseconds >= begin(it));
        columns[columns_before.count()] += value.count_at_value();
    }
    let most = columns.iter().copied().max().unwrap_or(0).max(1);
    let height = |count: u64| {
        // Anything at all is seen.
        let eighths = (count * 8).div_ceil(most).min(8);
        BLOCKS[usize::try_from(eighths).unwrap_or(0)]
    };
    columns.into_iter().map(height).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_unit_that_fits() {
        assert_eq!(nanoseconds(12.3), "12.3 ns");
        assert_eq!(nanoseconds(1_234.0), "1.23 µs");
        assert_eq!(nanoseconds(999_960.0), "1.00 ms");
        assert_eq!(duration(Duration::from_millis(12)), "12.0 ms");
        assert_eq!(duration(Duration::from_secs(2)), "2.00 s");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(count(1234), "1234");
        assert_eq!(count(12_345), "12 345");
        assert_eq!(three_digits(1_234_567.8), "1 234 568");
        assert_eq!(three_digits(0.0456), "0.046");
        assert_eq!(plain(0.8), "0.8");
        assert_eq!(plain(100.0), "100");
        assert_eq!(round_nanoseconds(1e7), "10 ms");
    }

    #[test]
    fn every_latency_is_seen() {
        let mut histogram = crate::load::new_histogram();
        histogram.record_n(5_000, 1_000_000).unwrap();
        histogram.record(1_000_000_000).unwrap();
        let blocks: Vec<char> = blocks(&histogram).chars().collect();
        assert_eq!(blocks.len(), 21);
        assert_eq!(blocks[2], '█');
        assert_eq!(blocks[18], '▁');
    }
}
