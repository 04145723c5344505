//! Whether the banners of a file are those that it must have.

use std::collections::HashSet;

use crate::source::Source;

/// The number of a banner and its title.
pub type Entry<'a> = (&'a str, &'a str);

/// Compares a file's banners with those that it must have, in this order;
/// returns what is wrong, each with its line.
#[must_use]
pub fn compare(source: &Source, table: &[Entry<'_>]) -> Vec<(usize, String)> {
    let found: Vec<_> = source.banners().collect();
    let mut wrong = Vec::new();
    let mut seen = HashSet::new();
    let mut expected = table.iter().peekable();
    for (index, (line, banner)) in found.iter().enumerate() {
        let number = banner.number.as_str();
        let mut add = |message| wrong.push((*line, message));
        let entry = table.iter().find(|(wanted, _)| *wanted == number);
        let Some((_, title)) = entry else {
            add(format!("banner {number} is not in the table"));
            continue;
        };
        if !seen.insert(number) {
            add(format!("there is a banner {number} already"));
            continue;
        }
        if banner.title != *title {
            add(format!("banner {number} must read: {title}"));
        }
        let comes_later = |wanted: &str| {
            let mut later = found[index..].iter();
            later.any(|(_, banner)| banner.number == wanted)
        };
        while let Some((wanted, title)) = expected.peek() {
            let is_this = *wanted == number;
            if !is_this && !seen.contains(wanted) {
                if comes_later(wanted) {
                    add(format!("banner {number} is out of order"));
                    break;
                }
                add(format!(
                    "before this the banner is missing: {wanted} {title}"
                ));
            }
            expected.next();
            if is_this {
                break;
            }
        }
    }
    let last = source.lines.len();
    let missing = expected.filter(|(wanted, _)| !seen.contains(wanted));
    wrong.extend(missing.map(|(wanted, title)| {
        let message =
            format!("up to here a banner is missing: {wanted} {title}");
        (last, message)
    }));
    wrong
}
