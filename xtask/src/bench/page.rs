//! Results as a page that needs nothing else.

use super::measure::median;
use super::plot::{Bar, Line, bars, lines};
use super::result::{Cell, Results, Row, spread};
use super::table::{figure, with_spread};
use std::fmt::Write;

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;color:#1c2733;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:1px solid #dde3e8;padding-top:1rem}\
svg{width:100%;max-width:44rem;font:12px system-ui,sans-serif;fill:#1c2733}\
.whisker{stroke:#1c2733;fill:none}.grid{stroke:#dde3e8;fill:none}\
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums}\
th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #eef1f4}th:first-child,td:first-child{text-align:left}\
.ours{font-weight:700}.note{color:#5b6b7a;font-size:.85rem}code{font-size:.85rem}";

/// The page.
pub(super) fn html(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Tidegate beside its peers</title><style>{STYLE}</style><h1>Tidegate beside its peers</h1>\
         <p>{} on {} ({} cores), {}, commit {}. System calls counted by {}. One worker each on core 0; the load and the \
         servers on core 1. Bars are medians, whiskers the smallest and the largest round.</p><ul class=\"note\">",
        escaped(&results.time),
        escaped(&machine.processor),
        machine.cores,
        escaped(&machine.kernel),
        escaped(&machine.commit),
        escaped(&machine.counter)
    );
    for (name, version) in &machine.versions {
        // A text takes all that is written to it.
        let _ = write!(text, "<li>{name}: {}</li>", escaped(version));
    }
    for (name, why) in &machine.skipped {
        let _ = write!(text, "<li>{name} is not compared: {}</li>", escaped(why));
    }
    text += "</ul><h2>CPU time a request, ours to the best peer</h2>";
    text += &overview(results);
    results.workloads.iter().for_each(|row| text += &workload(row));
    text += &curves(results);
    text + "</html>\n"
}

fn overview(results: &Results) -> String {
    let mut text =
        "<table><tr><th></th><th>ratio</th><th>rounds</th><th>best peer</th><th>to floor</th><th>at the offered rate</th></tr>"
            .to_owned();
    for row in &results.workloads {
        let Some(one) = &row.comparison else { continue };
        let floor = one.to_floor.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let offered = one
            .offered
            .as_ref()
            .map_or_else(|| "-".to_owned(), |(name, ratio)| format!("{ratio:.2} of {name}"));
        let _ = write!(
            text,
            "<tr><td><a href=\"#{}\">{}</a></td><td class=\"ours\">{:.2}</td><td>{:.2} to {:.2}</td><td>{}</td>\
             <td>{floor}</td><td>{offered}</td></tr>",
            row.name,
            escaped(&row.title),
            one.ratio,
            one.spread.0,
            one.spread.1,
            one.best
        );
    }
    text + "</table>"
}

fn workload(row: &Row) -> String {
    let cells: Vec<&Cell> = row.cells.iter().filter(|cell| !cell.cpu_us.is_empty()).collect();
    let all: Vec<Bar> = cells
        .iter()
        .map(|cell| Bar { name: &cell.name, middle: median(&cell.cpu_us), spread: spread(&cell.cpu_us) })
        .collect();
    let mut text = format!(
        "<h2 id=\"{}\">{}</h2><p class=\"note\"><code>{} {}</code></p>{}",
        row.name,
        escaped(&row.title),
        row.name,
        escaped(&row.load),
        bars(&all, "µs")
    );
    let rate = row.offered_per_second.map_or(String::new(), |rate| {
        format!("<p class=\"note\">p50 to p99.9, and CPU in the last column: at {rate:.0} requests a second, sent by schedule, all alike.</p>")
    });
    text += &rate;
    text += "<table><tr><th></th><th>CPU µs (rounds)</th><th>a second</th><th>system calls</th><th>at rest</th>\
             <th>an idle connection</th><th>a busy one</th><th>start s</th><th>p50 µs</th><th>p99</th><th>p99.9</th><th>CPU µs</th></tr>";
    for cell in cells {
        let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), figure);
        let at = |pick: fn(&super::result::Offered) -> &Vec<f64>| {
            cell.offered.as_ref().map_or_else(|| "-".to_owned(), |offered| figure(median(pick(offered))))
        };
        let _ = write!(
            text,
            "<tr{}><td>{}</td><td>{}</td><td>{:.0}</td><td>{}</td><td>{} MB</td><td>{}</td><td>{}</td><td>{:.2}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            if cell.name == "tidegate" { " class=\"ours\"" } else { "" },
            cell.name,
            with_spread(&cell.cpu_us),
            median(&cell.per_second),
            number(cell.system_calls),
            figure(cell.rest_bytes as f64 / 1e6),
            number(cell.idle_bytes),
            number(cell.busy_bytes),
            cell.start_seconds,
            at(|offered| &offered.p50_us),
            at(|offered| &offered.p99_us),
            at(|offered| &offered.p999_us),
            at(|offered| &offered.cpu_us)
        );
    }
    text += "</table>";
    for cell in row.cells.iter().filter(|cell| cell.failed.is_some()) {
        let word = if cell.left_out { "is left out" } else { "FAILED" };
        let why = escaped(cell.failed.as_deref().unwrap_or_default());
        let _ = write!(text, "<p class=\"note\">{} {word}: {why}</p>", cell.name);
    }
    text
}

/// A plot of CPU time and one of memory for each thing that may be many.
fn curves(results: &Results) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in results.workloads.iter().filter_map(|row| row.curve.as_ref()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let mut text = String::new();
    for name in names {
        let cpu = curve(results, name, |cell| Some(median(&cell.cpu_us)));
        if cpu.is_empty() {
            continue;
        }
        let _ = write!(text, "<h2>Growth with {name}</h2>{}", lines(&cpu, "CPU µs a request"));
        match name {
            "connections" => {
                text += &lines(&curve(results, name, |cell| cell.idle_bytes), "bytes an idle connection");
            }
            // Neither the start nor rest knows of them.
            "fields" => {}
            _ => {
                text +=
                    &lines(&curve(results, name, |cell| Some(cell.rest_bytes as f64 / 1e6)), "MB at rest");
                text += &lines(&curve(results, name, |cell| Some(cell.start_seconds)), "seconds to start");
            }
        }
    }
    text
}

/// Lines of more than one point, by program.
fn curve<'a>(results: &'a Results, name: &str, value: impl Fn(&Cell) -> Option<f64>) -> Vec<Line<'a>> {
    let mut all: Vec<Line> = Vec::new();
    for row in &results.workloads {
        let Some((own, at)) = &row.curve else { continue };
        if own != name {
            continue;
        }
        for cell in row.cells.iter().filter(|cell| !cell.cpu_us.is_empty()) {
            let Some(value) = value(cell) else { continue };
            let point = (*at as f64, value);
            match all.iter_mut().find(|line| line.name == cell.name) {
                Some(line) => line.points.push(point),
                None => all.push(Line { name: &cell.name, points: vec![point] }),
            }
        }
    }
    all.retain(|line| line.points.len() > 1);
    all
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_rows_curves_and_reasons_and_loads_nothing() {
        let cell = |name: &str, cpu_us: f64| Cell {
            name: name.to_owned(),
            cpu_us: vec![cpu_us],
            per_second: vec![1000.0],
            ..Cell::default()
        };
        let row = |name: &str, at| Row {
            name: name.to_owned(),
            title: "a < b".to_owned(),
            curve: Some(("routes".to_owned(), at)),
            cells: vec![
                cell("tidegate", 12.0),
                cell("nginx", 20.0),
                Cell { name: "envoy".to_owned(), failed: Some("it broke".to_owned()), ..Cell::default() },
            ],
            ..Row::default()
        };
        let page = html(&Results { workloads: vec![row("one", 1), row("two", 100)], ..Results::default() });
        for part in ["a &lt; b", "Growth with routes", "envoy FAILED: it broke", "id=\"two\""] {
            assert!(page.contains(part), "{part}");
        }
        for outside in ["http://", "https://", "<script", "<link", "NaN"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
