//! A screen as an SVG file, for the README and the book.
//!
//! Both pictures are made on a machine that does nothing else:
//! `cargo run --profile lab -p lab -- watch mux --script --language en
//! --picture docs/pictures/watch.svg`, and with `es` and `watch.es.svg`.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

use crate::svg::escaped;

/// One cell of the screen, pixels.
const CELL: (f64, f64) = (8.4, 17.0);
/// Around the screen.
const MARGIN: f64 = 12.0;
/// Ground and letters of the terminal.
const GROUND: &str = "#16191d";
const INK: &str = "#e6e8eb";

/// Draws what stands in the buffer.
pub fn svg(buffer: &Buffer, title: &str) -> String {
    let area = buffer.area;
    let width = f64::from(area.width) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(area.height) * CELL.1 + 2.0 * MARGIN;
    let mut svg = String::new();
    // Writing into a string cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" \
         height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\">\n<title>{}</title>\n\
         <rect width=\"{width:.0}\" height=\"{height:.0}\" rx=\"8\" \
         fill=\"{GROUND}\"/>\n\
         <g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" \
         font-size=\"13.5\" xml:space=\"preserve\">\n",
        escaped(title)
    );
    for y in area.top()..area.bottom() {
        let mut x = area.left();
        while x < area.right() {
            let cell = &buffer[(x, y)];
            let mut end = x + 1;
            while end < area.right() && alike(cell, &buffer[(end, y)]) {
                end += 1;
            }
            run(&mut svg, buffer, x..end, y);
            x = end;
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Whether two cells are drawn in one piece.
fn alike(one: &Cell, other: &Cell) -> bool {
    (one.fg, one.bg, one.modifier) == (other.fg, other.bg, other.modifier)
}

/// Cells of one style.
fn run(
    svg: &mut String,
    buffer: &Buffer,
    columns: std::ops::Range<u16>,
    y: u16,
) {
    let cell = &buffer[(columns.start, y)];
    let mut ink = hex(cell.fg).unwrap_or(INK);
    let mut ground = hex(cell.bg);
    if cell.modifier.contains(Modifier::REVERSED) {
        (ink, ground) = (ground.unwrap_or(GROUND), Some(ink));
    }
    let left = MARGIN + f64::from(columns.start) * CELL.0;
    let top = MARGIN + f64::from(y) * CELL.1;
    let width = f64::from(columns.end - columns.start) * CELL.0;
    if let Some(ground) = ground {
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{:.1}\" fill=\"{ground}\"/>",
            CELL.1
        );
    }
    let text: String = columns.map(|x| buffer[(x, y)].symbol()).collect();
    let shown = text.trim_end();
    if shown.is_empty() {
        return;
    }
    let start = shown.len() - shown.trim_start().len();
    let shown = &shown[start..];
    // Spaces are one byte each, so that they are columns as well.
    let left = left + start as f64 * CELL.0;
    let length = ratatui::text::Span::raw(shown).width() as f64 * CELL.0;
    let has = |modifier| cell.modifier.contains(modifier);
    let bold = if has(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    let dim = if has(Modifier::DIM) { " opacity=\"0.6\"" } else { "" };
    let base = top + CELL.1 * 0.76;
    let _ = writeln!(
        svg,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{length:.1}\" \
         lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\"{bold}{dim}>{}</text>",
        escaped(shown)
    );
}

/// The colours of a terminal, for a dark ground.
fn hex(colour: Color) -> Option<&'static str> {
    match colour {
        Color::Reset => None,
        Color::Black => Some("#101214"),
        Color::Red | Color::LightRed => Some("#ff7b72"),
        Color::Green => Some("#56d364"),
        Color::LightGreen => Some("#7ee787"),
        Color::Yellow | Color::LightYellow => Some("#e3b341"),
        Color::Blue | Color::LightBlue => Some("#79c0ff"),
        Color::Magenta | Color::LightMagenta => Some("#d2a8ff"),
        Color::Cyan | Color::LightCyan => Some("#56d4dd"),
        _ => Some("#c9d1d9"),
    }
}
