//! Plots as SVG that needs nothing else.

use super::table::figure;
use std::fmt::Write;

/// Width of a plot, in pixels.
const WIDTH: f64 = 680.0;
/// Where bars begin.
const LEFT: f64 = 120.0;
/// Room for figures behind bars.
const RIGHT: f64 = 130.0;
/// Height of a bar with its gap.
const STEP: f64 = 26.0;
/// Height of a plot of lines.
const HEIGHT: f64 = 260.0;

/// A bar: who, the middle, and the smallest and the largest.
pub(super) struct Bar<'a> {
    /// Who.
    pub name: &'a str,
    /// The median.
    pub middle: f64,
    /// The smallest and the largest.
    pub spread: (f64, f64),
}

/// The colour of a program: ours stands out, and the relay is in the background.
pub(super) fn colour(name: &str) -> &'static str {
    match name {
        "tidegate" => "#0b6e99",
        "nginx" => "#a8c69f",
        "nginx-tuned" => "#5f9a52",
        "haproxy" => "#e0b27a",
        "haproxy-tuned" => "#c17f2c",
        "envoy" => "#b07aa1",
        _ => "#b8bec4",
    }
}

/// Horizontal bars with whiskers for the spread.
pub(super) fn bars(bars: &[Bar], unit: &str) -> String {
    let most = bars.iter().map(|bar| bar.spread.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + value / most * (WIDTH - LEFT - RIGHT);
    let height = STEP * bars.len() as f64 + 8.0;
    let mut text = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (at, bar) in bars.iter().enumerate() {
        let top = STEP * at as f64 + 4.0;
        let (middle, text_y) = (top + 9.0, top + 14.0);
        let (least, most) = (x(bar.spread.0), x(bar.spread.1));
        let bold = if bar.name == "tidegate" { " font-weight=\"700\"" } else { "" };
        // A text takes all that is written to it.
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{text_y:.1}\" text-anchor=\"end\"{bold}>{}</text>\
             <rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"18\" rx=\"2\" fill=\"{}\"/>\
             <path d=\"M{least:.1} {middle:.1}H{most:.1}M{least:.1} {:.1}v8M{most:.1} {:.1}v8\" class=\"whisker\"/>\
             <text x=\"{:.1}\" y=\"{text_y:.1}\"{bold}>{} {unit}</text>",
            LEFT - 8.0,
            bar.name,
            x(bar.middle) - LEFT,
            colour(bar.name),
            middle - 4.0,
            middle - 4.0,
            most + 8.0,
            figure(bar.middle)
        );
    }
    text + "</svg>"
}

/// A line: who, and its points.
pub(super) struct Line<'a> {
    /// Who.
    pub name: &'a str,
    /// Points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Lines over a logarithmic axis of counts, from zero up.
pub(super) fn lines(lines: &[Line], unit: &str) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let most = all().map(|point| point.1).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let place = |count: f64| (count + 1.0).log10();
    let (first, last) = all()
        .map(|point| place(point.0))
        .fold((f64::INFINITY, 0.0), |(least, most), at: f64| (least.min(at), f64::max(most, at)));
    let wide = (last - first).max(f64::MIN_POSITIVE);
    let x = |count: f64| 60.0 + (place(count) - first) / wide * (WIDTH - 60.0 - RIGHT);
    let y = |value: f64| HEIGHT - 30.0 - value / most * (HEIGHT - 50.0);
    let mut text = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for part in [0.0, 0.5, 1.0] {
        let (value, at) = (most * part, y(most * part));
        let _ = write!(
            text,
            "<path d=\"M60 {at:.1}H{:.1}\" class=\"grid\"/><text x=\"54\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            at + 4.0,
            figure(value)
        );
    }
    let mut counts: Vec<f64> = all().map(|point| point.0).collect();
    counts.sort_by(f64::total_cmp);
    counts.dedup();
    for count in counts {
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count:.0}</text>",
            x(count),
            HEIGHT - 10.0
        );
    }
    // Names stand beside the last points, apart from each other.
    let mut ends: Vec<(f64, f64, &str)> = lines
        .iter()
        .filter_map(|line| line.points.last().map(|point| (x(point.0), y(point.1), line.name)))
        .collect();
    ends.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut above = 0.0;
    for (at, height, name) in ends {
        let height = f64::max(height + 4.0, above + 13.0);
        above = height;
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{height:.1}\" fill=\"{}\">{name}</text>",
            at + 8.0,
            colour(name)
        );
    }
    for line in lines {
        let points: Vec<String> =
            line.points.iter().map(|(count, value)| format!("{:.1},{:.1}", x(*count), y(*value))).collect();
        let (colour, thick) = (colour(line.name), if line.name == "tidegate" { 3 } else { 2 });
        let _ = write!(
            text,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{thick}\"/>",
            points.join(" ")
        );
        for point in &points {
            let (left, top) = point.split_once(',').unwrap_or_default();
            let _ = write!(text, "<circle cx=\"{left}\" cy=\"{top}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    let _ = write!(text, "<text x=\"54\" y=\"14\">{unit}</text>");
    text + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plots_have_all_and_only_finite_places() {
        let bar = |name, middle| Bar { name, middle, spread: (middle / 2.0, middle * 2.0) };
        let drawn = bars(&[bar("tidegate", 12.0), bar("nginx", 20.0)], "µs");
        assert!(drawn.contains("12.0 µs") && drawn.contains(">nginx<"), "{drawn}");
        let line = |name, points: &[(f64, f64)]| Line { name, points: points.to_vec() };
        let one = [line("floor", &[(0.0, 0.0)])];
        let many = [line("tidegate", &[(1.0, 2.0), (100_000.0, 3.0)]), line("envoy", &[(1.0, 9.0)])];
        for drawn in [drawn, bars(&[], "µs"), lines(&one, "MB"), lines(&many, "MB"), lines(&[], "MB")] {
            assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
            assert!(drawn.starts_with("<svg") && drawn.ends_with("</svg>"));
        }
    }
}
