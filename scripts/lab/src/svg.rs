//! A small writer of SVG: a light card that reads well on any page, and the
//! few shapes that the lab's own pictures are made of.

use std::fmt::Write;

/// What all texts are set in: wide enough for a projector, there everywhere.
pub const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
/// Text.
pub const INK: &str = "#1f2328";
/// Text that explains.
pub const QUIET: &str = "#57606a";
/// Lines that help the eye.
pub const GRID: &str = "#d8dee4";
/// The card.
pub const PAPER: &str = "#ffffff";

/// Where a text stands with respect to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Begins there.
    Start,
    /// Has its middle there.
    Middle,
    /// Ends there.
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Pixels.
    pub size: f64,
    /// Of the letters.
    pub colour: &'static str,
    /// Bold.
    pub bold: bool,
    /// Where it stands.
    pub anchor: Anchor,
    /// A colour around the letters, that keeps lines out of them.
    pub ground: Option<&'static str>,
}

impl Style {
    /// Plain text.
    pub fn plain(size: f64) -> Self {
        Self {
            size,
            colour: INK,
            bold: false,
            anchor: Anchor::Start,
            ground: None,
        }
    }

    /// Text that explains.
    pub fn quiet(size: f64) -> Self {
        Self { colour: QUIET, ..Self::plain(size) }
    }

    /// This style in bold.
    pub fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    /// This style with another anchor.
    pub fn at(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    /// This style with a ground of this colour behind the letters.
    pub fn on(self, ground: &'static str) -> Self {
        Self { ground: Some(ground), ..self }
    }

    /// This style in another colour.
    pub fn colour(self, colour: &'static str) -> Self {
        Self { colour, ..self }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Left side.
    pub x: f64,
    /// Upper side.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A picture that is being drawn.
#[derive(Debug)]
pub struct Picture {
    width: f64,
    height: f64,
    title: String,
    definitions: String,
    body: String,
}

impl Picture {
    /// An empty card. Its title is what is read aloud.
    pub fn new(width: f64, height: f64, title: &str) -> Self {
        Self {
            width,
            height,
            title: title.to_owned(),
            definitions: String::new(),
            body: String::new(),
        }
    }

    /// Adds to the definitions: patterns, clips.
    pub fn define(&mut self, definition: &str) {
        self.definitions.push_str(definition);
        self.definitions.push('\n');
    }

    /// A rectangle; `look` are further attributes.
    pub fn area(&mut self, area: Area, look: &str) {
        let Area { x, y, width, height } = area;
        self.element(&format!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" {look}/>"#,
            number(x),
            number(y),
            number(width.max(0.0)),
            number(height.max(0.0)),
        ));
    }

    /// A straight line; `look` are further attributes.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), look: &str) {
        self.element(&format!(
            r#"<path d="M{} {}L{} {}" {look}/>"#,
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1),
        ));
    }

    /// A text whose letters stand on `y`.
    pub fn text(&mut self, x: f64, y: f64, text: &str, style: Style) {
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if style.bold { r#" font-weight="bold""# } else { "" };
        let ground = style.ground.map_or_else(String::new, |colour| {
            format!(
                r#" stroke="{colour}" stroke-width="3" paint-order="stroke""#
            )
        });
        self.element(&format!(
            r#"<text x="{}" y="{}" font-size="{}" fill="{}"{anchor}{weight}{ground}>{}</text>"#,
            number(x),
            number(y),
            number(style.size),
            style.colour,
            escaped(text),
        ));
    }

    /// Any other element.
    pub fn element(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    /// The whole picture.
    pub fn finish(self) -> String {
        let (width, height) = (number(self.width), number(self.height));
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" \
             height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" font-family=\"{FONT}\">\n\
             <title>{}</title>\n<defs>\n{}</defs>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\" \
             fill=\"{PAPER}\" stroke=\"{GRID}\"/>\n{}</svg>\n",
            escaped(&self.title),
            self.definitions,
            number(self.width - 1.0),
            number(self.height - 1.0),
            self.body,
        );
        svg
    }
}

/// A coordinate, to a tenth of a pixel.
pub fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// A text that can stand in an element or an attribute.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Pixels that a text is wide, about.
pub fn width_of(text: &str, size: f64) -> f64 {
    let letters = text.chars().count() as f64;
    letters * size * 0.6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_is_in_the_picture_and_harmless() {
        let mut picture = Picture::new(100.0, 50.25, "a & b");
        let area = Area { x: 1.0, y: 2.04, width: -3.0, height: 4.0 };
        picture.area(area, r#"fill="red""#);
        let style = Style::plain(12.0).at(Anchor::End).bold();
        picture.text(5.0, 6.0, "<script>", style);
        let svg = picture.finish();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("<title>a &amp; b</title>"));
        assert!(svg.contains("&lt;script&gt;</text>"));
        assert!(svg.contains(r#"y="2" width="0" height="4" fill="red""#));
        assert!(svg.contains(r#"text-anchor="end" font-weight="bold""#));
    }
}
