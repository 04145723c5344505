//! Bars as SVG, each with its name on the left and its figure at its end, so
//! that nothing depends on a colour.

use crate::svg::{Anchor, Area, GRID, INK, Picture, Style, width_of};

/// One bar.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What stands on its left.
    pub label: String,
    /// How long it is: the median.
    pub value: f64,
    /// The smallest and the largest sample.
    pub range: (f64, f64),
    /// What stands at its end.
    pub figure: String,
    /// Its colour.
    pub colour: &'static str,
}

/// Bars of one scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What they show.
    pub heading: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// Threads.
pub const THREADS: &str = "#0072b2";
/// Processes.
pub const PROCESSES: &str = "#d55e00";
/// The loop.
pub const LOOP: &str = "#009e73";
/// Whatever they are compared with.
pub const OTHER: &str = "#8c959f";

const WIDTH: f64 = 860.0;
const MARGIN: f64 = 24.0;
const BAR: f64 = 24.0;
const STEP: f64 = 36.0;

/// A picture of groups from top to bottom, each with a scale of its own from
/// zero; what it shows, in a sentence, and under what conditions.
pub fn draw(title: &str, subtitle: &str, groups: &[Group]) -> String {
    let all = || groups.iter().flat_map(|group| &group.bars);
    let widest = |size: f64, text: fn(&Bar) -> &str| {
        all().map(|bar| width_of(text(bar), size)).fold(0.0, f64::max)
    };
    let left = MARGIN + widest(15.0, |bar| &bar.label) + 14.0;
    let right = WIDTH - MARGIN - widest(15.0, |bar| &bar.figure) - 14.0;
    let height =
        78.0 + groups.len() as f64 * 44.0 + all().count() as f64 * STEP + 10.0;
    let mut picture = Picture::new(WIDTH, height, title);
    picture.text(MARGIN, 38.0, title, Style::plain(20.0).bold());
    picture.text(MARGIN, 62.0, subtitle, Style::quiet(13.0));
    let mut y = 78.0;
    for group in groups {
        picture.text(MARGIN, y + 26.0, &group.heading, Style::quiet(15.0));
        y += 40.0;
        let bottom = y + group.bars.len() as f64 * STEP - (STEP - BAR);
        let axis = format!(r#"stroke="{GRID}" stroke-width="1.5""#);
        picture.line((left, y - 4.0), (left, bottom + 4.0), &axis);
        let longest = |bar: &Bar| bar.value.max(bar.range.1);
        let most = group.bars.iter().map(longest).fold(0.0, f64::max);
        let scale = |value: f64| {
            let share = if most > 0.0 { value / most } else { 0.0 };
            share.clamp(0.0, 1.0) * (right - left)
        };
        for bar in &group.bars {
            draw_bar(&mut picture, bar, (left, y), scale);
            y += STEP;
        }
        y += 4.0;
    }
    picture.finish()
}

fn draw_bar(
    picture: &mut Picture,
    bar: &Bar,
    (left, y): (f64, f64),
    scale: impl Fn(f64) -> f64,
) {
    let base = y + BAR * 0.72;
    let name = Style::plain(15.0).at(Anchor::End);
    picture.text(left - 12.0, base, &bar.label, name);
    let area = Area {
        x: left,
        y,
        // Anything at all is seen.
        width: scale(bar.value).max(1.5),
        height: BAR,
    };
    picture.area(area, &format!(r#"rx="2" fill="{}""#, bar.colour));
    let (low, high) = (scale(bar.range.0), scale(bar.range.1));
    if high - low > 2.0 {
        let middle = y + BAR / 2.0;
        let look = format!(r#"stroke="{INK}" stroke-width="1.5""#);
        let (from, to) = (left + low, left + high);
        picture.line((from, middle), (to, middle), &look);
        for x in [from, to] {
            picture.line((x, middle - 5.0), (x, middle + 5.0), &look);
        }
    }
    let end = left + scale(bar.value).max(high) + 10.0;
    let figure = Style::plain(15.0).bold().colour(INK);
    picture.text(end, base, &bar.figure, figure);
}
