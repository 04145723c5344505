//! Tables for the terminal.

/// No line of a table is longer: what a terminal has at least.
const COLUMNS: usize = 80;
/// Between two columns.
const GAP: &str = "  ";

/// Lays columns out: the first to the left, the others to the right unless
/// their heading begins with `<`. Where a line would be longer than a terminal
/// is wide, the widest columns are broken into several lines between words.
pub fn layout(heading: &[&str], rows: &[Vec<String>]) -> String {
    let is_left =
        |column: usize| column == 0 || heading[column].starts_with('<');
    let names = heading.iter().map(|cell| cell.trim_start_matches('<'));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let lines: Vec<&Vec<String>> =
        std::iter::once(&names).chain(rows).collect();
    let widths = widths(&lines, heading.len());
    let broken = lines.iter().any(|line| {
        let mut cells = line.iter().zip(&widths);
        cells.any(|(cell, width)| length(cell) > *width)
    });
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<Vec<String>> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| wrapped(cell, *width))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0).max(1);
        // A blank line tells the parts of one row from the next row.
        if broken && number > 0 && height > 1 && !text.ends_with("\n\n") {
            text.push('\n');
        }
        for part in 0..height {
            let laid = cells.iter().enumerate().map(|(column, cell)| {
                let width = widths[column];
                let cell = cell.get(part).map_or("", String::as_str);
                if is_left(column) {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            text += laid.collect::<Vec<_>>().join(GAP).trim_end();
            text.push('\n');
        }
        let last = number + 1 == lines.len();
        if broken && height > 1 && !last {
            text.push('\n');
        }
    }
    text
}

/// Breaks lines that are longer than a terminal is wide, between words.
pub fn folded(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        if length(line) <= COLUMNS {
            return line.to_owned();
        }
        wrapped(line, COLUMNS - GAP.len()).join(&format!("\n{GAP}"))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// As wide as the widest cell; where that is too much together, the widest
/// columns lose what they can without a word of theirs being broken.
fn widths(lines: &[&Vec<String>], columns: usize) -> Vec<usize> {
    let most = |column: usize, of: &dyn Fn(&str) -> usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| of(cell)).max().unwrap_or(0)
    };
    let longest_word =
        |cell: &str| words(cell).iter().map(|it| length(it)).max().unwrap_or(0);
    let least: Vec<usize> =
        (0..columns).map(|it| most(it, &longest_word)).collect();
    let mut widths: Vec<usize> =
        (0..columns).map(|it| most(it, &length)).collect();
    let gaps = columns.saturating_sub(1) * GAP.len();
    while widths.iter().sum::<usize>() + gaps > COLUMNS {
        let widest = (0..columns)
            .filter(|it| widths[*it] > least[*it])
            .max_by_key(|it| widths[*it]);
        match widest {
            Some(widest) => widths[widest] -= 1,
            // Nothing but single words: a longer line is the lesser evil.
            None => break,
        }
    }
    widths
}

/// What may stand on different lines. A figure and its unit, or its spread,
/// belong together.
fn words(cell: &str) -> Vec<String> {
    const UNITS: [&str; 7] = ["%", "ns", "µs", "ms", "s", "KiB", "MiB/s"];
    let mut words: Vec<String> = Vec::new();
    for word in cell.split(' ').filter(|word| !word.is_empty()) {
        match words.last_mut() {
            Some(figure)
                if UNITS.contains(&word) || figure == "≤" || figure == "≥" =>
            {
                figure.push(' ');
                figure.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}

/// A text in lines that fit, broken between words.
pub fn wrapped(cell: &str, width: usize) -> Vec<String> {
    if length(cell) <= width {
        return vec![cell.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in words(cell) {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["a".to_owned(), "1".to_owned(), "x".to_owned()],
            vec!["bcd".to_owned(), "100".to_owned(), "yz".to_owned()],
        ];
        let text = layout(&["name", "µs", "<remark"], &rows);
        assert_eq!(text, "name   µs  remark\na       1  x\nbcd   100  yz\n");
    }

    #[test]
    fn no_line_is_longer_than_a_terminal_is_wide() {
        let long = "many words that say what is claimed of one approach";
        let rows: Vec<Vec<String>> = (0..3)
            .map(|number| {
                vec![
                    format!("T{number}"),
                    long.to_owned(),
                    "too noisy to tell".to_owned(),
                    "±12 %".to_owned(),
                    long.to_owned(),
                ]
            })
            .collect();
        let heading = ["", "<claim", "<verdict", "spread", "<figure"];
        let text = layout(&heading, &rows);
        assert!(text.lines().all(|line| length(line) <= 80), "{text}");
        // No word is broken, none is lost.
        let count = |text: &str| words(&text.replace('\n', " ")).len();
        let all: usize = rows.iter().flatten().map(|it| count(it)).sum();
        assert_eq!(count(&text), all + 4, "{text}");
        assert!(text.contains("approach"), "{text}");
    }

    #[test]
    fn a_long_line_goes_on_in_the_next() {
        let text = format!("short  line\n{}end\n", "some words ".repeat(12));
        let folded = folded(&text);
        assert!(folded.lines().all(|line| length(line) <= 80), "{folded}");
        assert!(folded.starts_with("short  line\nsome words"), "{folded}");
        assert!(folded.ends_with("end\n"), "{folded}");
        assert_eq!(words(&folded.replace('\n', " ")).len(), 27);
    }

    #[test]
    fn a_word_longer_than_a_terminal_stays_whole() {
        let rows = [vec!["a".repeat(90), "b c".to_owned()]];
        let text = layout(&["name", "<remark"], &rows);
        assert!(text.contains(&"a".repeat(90)), "{text}");
    }
}
