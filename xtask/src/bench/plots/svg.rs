//! The few shapes that the plots are made of.

use std::fmt::Write as _;

/// Shades that can be told apart by most people, also without colours; from Okabe and Ito, "Color Universal Design".
pub(super) const COLORS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#999999", "#b8a000"];

/// Where a text is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A picture that is being drawn. Coordinates are in pixels from the upper left.
pub(super) struct Svg {
    body: String,
    width: u32,
    height: u32,
}

impl Svg {
    /// An empty picture with a title, which screen readers say.
    pub(super) fn new(width: u32, height: u32, title: &str) -> Svg {
        let mut svg = Svg { body: String::new(), width, height };
        // Writing to a string cannot fail.
        let _ = writeln!(svg.body, "<title>{}</title>", escaped(title));
        svg
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), color: &str, width: f64) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{color}" stroke-width="{width}"/>"#,
            from.0, from.1, to.0, to.1
        );
    }

    /// Lines from point to point.
    pub(super) fn path(&mut self, points: &[(f64, f64)], color: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" fill="none" stroke="{color}" stroke-width="2"/>"#,
            points.join(" ")
        );
    }

    /// A dot.
    pub(super) fn dot(&mut self, at: (f64, f64), color: &str) {
        let _ = writeln!(self.body, r#"<circle cx="{:.1}" cy="{:.1}" r="4" fill="{color}"/>"#, at.0, at.1);
    }

    /// Words, whose middle stands at the height `at.1`.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            r#"<text x="{:.1}" y="{:.1}" text-anchor="{anchor}">{}</text>"#,
            at.0,
            at.1 + 4.0,
            escaped(words)
        );
    }

    /// The file's content.
    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" \
             font-family=\"sans-serif\" font-size=\"12\">\n\
             <style>text {{ fill: #222 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }}</style>\n{2}</svg>\n",
            self.width, self.height, self.body
        )
    }
}

/// Grid lines and axes.
pub(super) const GRID: &str = "#8888";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_the_picture() {
        let mut svg = Svg::new(10, 10, "a < b");
        svg.text((1.0, 2.0), Anchor::Middle, "a & <b>");
        let text = svg.finish();
        assert!(
            text.contains("<title>a &lt; b</title>") && text.contains(">a &amp; &lt;b&gt;</text>"),
            "{text}"
        );
    }
}
