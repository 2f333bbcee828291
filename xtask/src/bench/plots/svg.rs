//! The few shapes that the plots are made of.

use std::fmt::Write as _;

/// How many curves and rows have a colour of their own; those after them have it again, in dashes.
pub(super) const COLORS: usize = 7;

/// What is drawn with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ink {
    /// Grid lines and axes.
    Grid,
    /// The curve or row of that number, from 0: up to 21 can be told apart by colour and dashes together.
    Curve(usize),
}

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
        // Its own paper: a page that shows it may be dark where the reader's system is light.
        svg.body.push_str("<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n");
        svg
    }

    /// A straight line.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        let _ = writeln!(
            self.body,
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" {} stroke-width="{width}"/>"#,
            from.0,
            from.1,
            to.0,
            to.1,
            ink.attributes()
        );
    }

    /// Lines from point to point.
    pub(super) fn path(&mut self, points: &[(f64, f64)], ink: Ink) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(
            self.body,
            r#"<polyline points="{}" {} stroke-width="2"/>"#,
            points.join(" "),
            ink.attributes()
        );
    }

    /// A dot.
    pub(super) fn dot(&mut self, at: (f64, f64), ink: Ink) {
        let class = ink.class();
        let _ = writeln!(self.body, r#"<circle cx="{:.1}" cy="{:.1}" r="4" class="{class}"/>"#, at.0, at.1);
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
             font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n\
             <style>{STYLE}</style>\n{2}</svg>\n",
            self.width, self.height, self.body
        )
    }
}

impl Ink {
    fn class(self) -> String {
        match self {
            Ink::Grid => "grid".to_owned(),
            Ink::Curve(at) => format!("c{}", at % COLORS),
        }
    }

    fn attributes(self) -> String {
        let dashes = match self {
            Ink::Curve(at) if at / COLORS % 3 == 1 => r#" stroke-dasharray="8 4""#,
            Ink::Curve(at) if at / COLORS % 3 == 2 => r#" stroke-dasharray="2 3""#,
            _ => "",
        };
        format!("class=\"{}\"{dashes}", self.class())
    }
}

/// Shades that can be told apart by most people, also without colours, after Okabe and Ito, "Color Universal Design": darker than theirs on white and
/// lighter on black, where they would have too little contrast.
pub(crate) const STYLE: &str = "\
text{fill:#1f2328}.paper{fill:#fff}line,polyline{stroke:currentColor;fill:none}circle{fill:currentColor}\
.grid{color:#d0d7de}.c0{color:#0072b2}.c1{color:#c75300}.c2{color:#00805d}.c3{color:#a8437b}.c4{color:#2f86c4}.c5{color:#8a6000}.c6{color:#6e7781}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}\
.grid{color:#30363d}.c0{color:#3d9be0}.c1{color:#ff7f2a}.c2{color:#1fc29a}.c3{color:#e08fbe}.c4{color:#9ad4f7}.c5{color:#e0b000}.c6{color:#a0a8b0}}";

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

    #[test]
    fn no_two_of_twenty_one_curves_look_alike() {
        let looks: std::collections::BTreeSet<String> =
            (0..3 * COLORS).map(|at| Ink::Curve(at).attributes()).collect();
        assert_eq!(looks.len(), 3 * COLORS);
    }

    /// WCAG 2.2: 3:1 for what has to be seen (1.4.11), 4.5:1 for what has to be read (1.4.3).
    #[test]
    fn every_ink_stands_out_from_its_paper() {
        let (light, dark) = STYLE.split_once("@media").unwrap();
        for (style, paper) in [(light, "#ffffff"), (dark, "#0d1117")] {
            let color = |class: &str| {
                let rule = style.split_once(&format!("{class}{{")).unwrap().1;
                rule.split_once('#').unwrap().1[..6].to_owned()
            };
            assert!(contrast(&color("text"), &paper[1..]) >= 4.5);
            for at in 0..COLORS {
                let class = format!(".{}", Ink::Curve(at).class());
                let found = contrast(&color(&class), &paper[1..]);
                assert!(found >= 3.0, "{class} on {paper}: {found:.2}");
            }
        }
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let luminance = |color: &str| {
            let part = |at: usize| {
                let value = f64::from(u8::from_str_radix(&color[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        (one / other).max(other / one)
    }
}
