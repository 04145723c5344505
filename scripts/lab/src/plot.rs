//! Curves as SVG, for a projector, a grey printer and the colour-blind: each
//! curve has its own colour, brightness, dashes, marker and a label where it
//! ends.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::stats::Summary;

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What stands at its end.
    pub label: String,
    /// From the left to the right.
    pub points: Vec<Point>,
}

impl Curve {
    /// A curve through the medians of samples, where several were taken at one
    /// place.
    pub fn through_medians(
        label: String,
        samples: impl IntoIterator<Item = (u64, f64)>,
    ) -> Self {
        let mut places: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (x, y) in samples {
            places.entry(x).or_default().push(y);
        }
        let point = |(x, samples): (u64, Vec<f64>)| {
            let summary = Summary::of(&samples)?;
            Some(Point {
                x: x as f64,
                y: summary.median,
                low: summary.min,
                high: summary.max,
            })
        };
        Self { label, points: places.into_iter().filter_map(point).collect() }
    }
}

/// One point of a curve, with what it may be off by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where the point stands on the horizontal axis.
    pub x: f64,
    /// The median.
    pub y: f64,
    /// The smallest sample.
    pub low: f64,
    /// The largest sample.
    pub high: f64,
}

/// A picture of several curves over logarithmic axes.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows, in a sentence.
    pub title: String,
    /// Under what conditions.
    pub subtitle: String,
    /// What goes to the right.
    pub x_label: String,
    /// What goes up.
    pub y_label: String,
    /// How a number to the right is written.
    pub x_format: fn(f64) -> String,
    /// How a number that goes up is written.
    pub y_format: fn(f64) -> String,
    /// The curves, at most [`MOST_CURVES`].
    pub curves: Vec<Curve>,
}

/// More curves cannot be told apart.
pub const MOST_CURVES: usize = 5;

const SIZE: (u32, u32) = (1000, 620);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const QUIET: RGBColor = RGBColor(0x66, 0x66, 0x66);
const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);
const FAINT: RGBColor = RGBColor(0xf4, 0xf4, 0xf4);
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
/// Size of the labels at the ends of the curves, pixels.
const LABEL_SIZE: i32 = 16;
/// Two labels are no nearer to one another, pixels.
const LABEL_HEIGHT: i32 = 19;

/// How a curve looks. The colours are those of Okabe and Ito, chosen for the
/// colour-blind, here in an order of changing brightness.
struct Look {
    colour: RGBColor,
    /// Length of a dash and of a gap, pixels; none is a whole line.
    dashes: Option<(u32, u32)>,
    marker: Marker,
}

#[derive(Clone, Copy)]
enum Marker {
    Disc,
    Ring,
    /// A shape with these corners.
    Corners(&'static [(i32, i32)]),
}

const SQUARE: Marker = Marker::Corners(&[(-5, -5), (5, -5), (5, 5), (-5, 5)]);
const TRIANGLE: Marker = Marker::Corners(&[(0, -7), (7, 5), (-7, 5)]);
const DIAMOND: Marker = Marker::Corners(&[(0, -7), (7, 0), (0, 7), (-7, 0)]);

const LOOKS: [Look; MOST_CURVES] = [
    look(0x00_72_b2, None, Marker::Disc), // blue
    look(0xd5_5e_00, Some((12, 5)), SQUARE), // vermilion
    look(0x56_b4_e9, Some((4, 4)), TRIANGLE), // sky blue
    look(0x00_00_00, None, Marker::Ring),
    look(0xcc_79_a7, Some((20, 6)), DIAMOND), // purple
];

const fn look(rgb: u32, dashes: Option<(u32, u32)>, marker: Marker) -> Look {
    let [_, red, green, blue] = rgb.to_be_bytes();
    Look { colour: RGBColor(red, green, blue), dashes, marker }
}

type Area<'file> = DrawingArea<SVGBackend<'file>, Shift>;

/// Draws a chart into an SVG file.
///
/// # Errors
///
/// When there is nothing to draw, or the file cannot be written.
pub fn draw(chart: &Chart, file: &Path) -> Result<()> {
    ensure!(!chart.curves.is_empty(), "no curve to draw");
    ensure!(chart.curves.len() <= MOST_CURVES, "too many curves");
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    paint(chart, &root)
        .map_err(|error| anyhow!("drawing {}: {error}", file.display()))
}

/// What can go wrong in plotters, whose errors name their backend.
type Painted = Result<(), Box<dyn std::error::Error>>;

fn paint(chart: &Chart, root: &Area<'_>) -> Painted {
    root.fill(&WHITE)?;
    let text =
        |size: u32, colour: &RGBColor| (FONT, size).into_font().color(colour);
    let (body, low) = (text(15, &INK), text(13, &QUIET));
    root.draw_text(&chart.title, &text(21, &INK), (24, 18))?;
    root.draw_text(&chart.subtitle, &low, (24, 48))?;

    let points = || chart.curves.iter().flat_map(|it| &it.points);
    let (left, right) = ends(points().map(|it| it.x));
    let (bottom, top) = range(points().flat_map(|it| [it.low, it.high]));
    let labels = chart.curves.iter().map(|it| text_width(&it.label));
    let widest = labels.max().unwrap_or(0);
    let mut axes = ChartBuilder::on(root)
        .margin_top(78)
        .margin_left(12)
        .margin_right(widest + 24)
        .margin_bottom(14)
        .x_label_area_size(52)
        .y_label_area_size(86)
        .build_cartesian_2d(
            (left..right).log_scale(),
            (bottom..top).log_scale(),
        )?;
    axes.configure_mesh()
        .x_desc(&chart.x_label)
        .y_desc(&chart.y_label)
        .x_label_formatter(&|x| (chart.x_format)(*x))
        .y_label_formatter(&|y| (chart.y_format)(*y))
        .x_labels(8)
        .y_labels(8)
        .label_style(body.clone())
        .axis_desc_style(body.clone())
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(FAINT)
        .draw()?;

    let mut labels = Vec::new();
    let mut lines = Vec::new();
    for (curve, look) in chart.curves.iter().zip(&LOOKS) {
        let line = look.colour.stroke_width(3);
        let path = curve.points.iter().map(|it| (it.x, it.y));
        match look.dashes {
            None => {
                axes.draw_series(LineSeries::new(path, line))?;
            }
            Some((dash, gap)) => {
                let dashed = DashedLineSeries::new(path, dash, gap, line);
                axes.draw_series(dashed)?;
            }
        }
        let thin = look.colour.stroke_width(1);
        axes.draw_series(curve.points.iter().map(|it| {
            PathElement::new(vec![(it.x, it.low), (it.x, it.high)], thin)
        }))?;
        let area = axes.plotting_area();
        let place = |it: &Point| area.map_coordinate(&(it.x, it.y));
        let places: Vec<_> = curve.points.iter().map(place).collect();
        for at in &places {
            mark(root, *at, look)?;
        }
        if let Some(last) = places.last() {
            labels.push(Label {
                at: (last.0 + 13, last.1),
                text: &curve.label,
                colour: darker(look.colour),
            });
        }
        lines.push(places);
    }
    let middle = Pos::new(HPos::Left, VPos::Center);
    for label in arrange(labels, &lines) {
        let font = (FONT, LABEL_SIZE).into_font();
        let style = font.color(&label.colour).pos(middle);
        root.draw_text(label.text, &style, label.at)?;
    }
    root.present()?;
    Ok(())
}

/// The least and the largest value that a logarithmic axis can show, with
/// room for a marker.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| *value > 0.0)
        .fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return (1.0, 10.0);
    }
    (low / 1.06, high * 1.06)
}

/// The range of the values, to the next 1, 2 or 5 of a decade and a little
/// further: whole decades would leave half of a picture empty.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = ends(values);
    let decade = |value: f64| 10_f64.powf(value.log10().floor());
    let steps = |value: f64| [1.0, 2.0, 5.0, 10.0].map(|it| it * decade(value));
    let below = steps(low).into_iter().rfind(|step| *step <= low);
    let above = steps(high).into_iter().find(|step| *step >= high);
    (below.unwrap_or(low) / 1.06, above.unwrap_or(high) * 1.06)
}

fn mark(root: &Area<'_>, (x, y): (i32, i32), look: &Look) -> Painted {
    let colour = look.colour;
    let full = colour.filled();
    match look.marker {
        Marker::Disc => root.draw(&Circle::new((x, y), 5, full))?,
        Marker::Ring => {
            root.draw(&Circle::new((x, y), 5, WHITE.filled()))?;
            root.draw(&Circle::new((x, y), 5, colour.stroke_width(2)))?;
        }
        Marker::Corners(corners) => {
            let moved = corners.iter().map(|(dx, dy)| (x + dx, y + dy));
            root.draw(&Polygon::new(moved.collect::<Vec<_>>(), full))?;
        }
    }
    Ok(())
}

/// A colour that can be read as text on white.
fn darker(colour: RGBColor) -> RGBColor {
    let part = |value: u8| value / 3 * 2;
    RGBColor(part(colour.0), part(colour.1), part(colour.2))
}

/// A curve's name, where it ends.
#[derive(Clone, Debug, PartialEq)]
struct Label<'chart> {
    /// The middle of its left side.
    at: (i32, i32),
    text: &'chart str,
    colour: RGBColor,
}

impl Label<'_> {
    fn right(&self) -> i32 {
        self.at.0 + text_width(self.text)
    }

    /// Whether it would lie on another label.
    fn is_on(&self, other: &Self) -> bool {
        (self.at.1 - other.at.1).abs() < LABEL_HEIGHT
            && self.at.0 < other.right() + 8
            && other.at.0 < self.right() + 8
    }

    /// Whether a line would go through it.
    fn is_crossed_by(&self, line: &[(i32, i32)]) -> bool {
        const NEAR: i32 = LABEL_HEIGHT / 2 + 2;
        (self.at.0..=self.right()).step_by(3).any(|x| {
            line.windows(2).any(|ends| {
                let ((x0, y0), (x1, y1)) = (ends[0], ends[1]);
                (x0..=x1).contains(&x) && x1 > x0 && {
                    let y = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
                    (y - self.at.1).abs() < NEAR
                }
            })
        })
    }
}

/// Pixels of a text in the size of labels, about.
fn text_width(text: &str) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(0);
    letters * LABEL_SIZE * 3 / 5
}

/// Moves each label up or down, as little as possible, until it lies on no
/// curve and on no other label.
fn arrange<'chart>(
    mut labels: Vec<Label<'chart>>,
    lines: &[Vec<(i32, i32)>],
) -> Vec<Label<'chart>> {
    labels.sort_by_key(|label| label.at.1);
    let mut placed: Vec<Label<'chart>> = Vec::new();
    for label in labels {
        let moved = |by: i32| Label {
            at: (label.at.0, label.at.1 + by),
            ..label.clone()
        };
        let is_free = |label: &Label<'_>| {
            !placed.iter().any(|other| label.is_on(other))
                && !lines.iter().any(|line| label.is_crossed_by(line))
        };
        let free = (0..40)
            .flat_map(|step| [step * 3, -step * 3])
            .map(moved)
            .find(is_free);
        placed.push(free.unwrap_or(label));
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(labels: &[&str]) -> Chart {
        let curve = |label: &&str| {
            let samples = [(1, 1.0), (10, 9.0), (10, 11.0), (100, 100.0)];
            Curve::through_medians((*label).to_owned(), samples)
        };
        Chart {
            title: "A title".into(),
            subtitle: "where & when".into(),
            x_label: "connections".into(),
            y_label: "time".into(),
            x_format: |x| format!("{x}"),
            y_format: |y| format!("{y}"),
            curves: labels.iter().map(curve).collect(),
        }
    }

    #[test]
    fn a_curve_goes_through_the_medians() {
        let pairs = [(10, 3.0), (1, 1.0), (10, 5.0), (10, 4.0)];
        let curve = Curve::through_medians("x".to_owned(), pairs);
        let point = |x, y, low, high| Point { x, y, low, high };
        let expected = [point(1.0, 1.0, 1.0, 1.0), point(10.0, 4.0, 3.0, 5.0)];
        assert_eq!(curve.points, expected);
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        let nowhere = Path::new("/nonexistent/lab.svg");
        assert!(draw(&chart(&[]), nowhere).is_err());
        let many = draw(&chart(&["x"; MOST_CURVES + 1]), nowhere);
        assert!(many.unwrap_err().to_string().contains("too many"));
    }

    #[test]
    fn labels_lie_neither_on_one_another_nor_on_a_curve() {
        let label = |text, at| Label { at, text, colour: BLACK };
        let far_away = label("far away", (400, 51));
        let labels = vec![
            label("a", (100, 50)),
            label("b", (100, 52)),
            label("c", (100, 51)),
            far_away.clone(),
            label("on a line", (600, 51)),
        ];
        let lines = [vec![(550, 51), (800, 51)]];
        let placed = arrange(labels, &lines);
        for (index, label) in placed.iter().enumerate() {
            let others = &placed[index + 1..];
            assert!(others.iter().all(|other| !label.is_on(other)));
            assert!(!label.is_crossed_by(&lines[0]), "{label:?}");
        }
        assert!(placed.contains(&far_away));
    }

    #[test]
    fn ranges_end_at_round_numbers() {
        let (low, high) = range([3.0, 0.0, 700.0].into_iter());
        assert!(low < 2.0 && low > 1.8, "{low}");
        assert!(high > 1000.0 && high < 1100.0, "{high}");
    }
}
