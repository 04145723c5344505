//! Tables for the terminal.

/// Lays columns out: the first to the left, the others to the right unless
/// their heading begins with `<`.
#[must_use]
pub fn layout(heading: &[&str], rows: &[Vec<String>]) -> String {
    let to_the_left: Vec<bool> = heading
        .iter()
        .enumerate()
        .map(|(index, cell)| index == 0 || cell.starts_with('<'))
        .collect();
    let heading: Vec<String> = heading
        .iter()
        .map(|cell| cell.trim_start_matches('<').to_owned())
        .collect();
    let lines: Vec<&Vec<String>> =
        std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut laid = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = widths.get(column).copied().unwrap_or(0);
            let left = to_the_left.get(column).copied().unwrap_or(true);
            let cell = if left {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            };
            if column > 0 {
                laid += "  ";
            }
            laid += &cell;
        }
        text += laid.trim_end();
        text.push('\n');
    }
    text
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
}
