//! Results as tables for people: markdown that a README can take.

use super::measure::median;
use super::result::{Cell, Results, Row, spread};
use super::subject::Kind;
use std::fmt::Write;

/// All tables.
pub(super) fn markdown(results: &Results) -> String {
    let machine = &results.machine;
    let mut text = format!(
        "{} on {} ({} cores), {}, commit {}\n\n",
        results.time, machine.processor, machine.cores, machine.kernel, machine.commit
    );
    let names: Vec<&str> =
        Kind::ALL.iter().map(|kind| kind.name()).filter(|name| has(results, name)).collect();
    text += &table(
        "CPU µs a request (median), and ours to the best peer within rounds (smallest to largest)",
        results,
        &names,
        |cell| Some(figure(median(&cell.cpu_us))),
        |row| {
            row.comparison.as_ref().map(|one| {
                format!("**{:.2}** ({:.2} to {:.2}) of {}", one.ratio, one.spread.0, one.spread.1, one.best)
            })
        },
    );
    text += &table(
        "CPU µs a request at the same offered rate (median), and ours to the best peer",
        results,
        &names,
        |cell| cell.offered.as_ref().map(|offered| figure(median(&offered.cpu_us))),
        |row| {
            let (best, ratio) = row.comparison.as_ref()?.offered.as_ref()?;
            Some(format!("**{ratio:.2}** of {best}"))
        },
    );
    text += &table(
        "p99 at the same offered rate, µs (p50; p99.9)",
        results,
        &names,
        |cell| {
            let offered = cell.offered.as_ref()?;
            let [half, most, nearly] =
                [&offered.p50_us, &offered.p99_us, &offered.p999_us].map(|all| median(all));
            Some(format!("{most:.0} ({half:.0}; {nearly:.0})"))
        },
        |row| row.offered_per_second.map(|rate| format!("{rate:.0} a second")),
    );
    text += &table(
        "Requests a second, saturated",
        results,
        &names,
        |cell| Some(format!("{:.0}", median(&cell.per_second))),
        |_| None,
    );
    text += &table("System calls a request", results, &names, |cell| cell.system_calls.map(figure), |_| None);
    text += &table(
        "Bytes an idle connection",
        results,
        &names,
        |cell| cell.idle_bytes.map(|bytes| format!("{bytes:.0}")),
        |_| None,
    );
    text += &left_out(results);
    text
}

fn has(results: &Results, name: &str) -> bool {
    results.workloads.iter().any(|row| row.cell(name).is_some())
}

/// Rows that have a figure; `last` is what stands behind them.
fn table(
    title: &str,
    results: &Results,
    names: &[&str],
    figure: impl Fn(&Cell) -> Option<String>,
    last: impl Fn(&Row) -> Option<String>,
) -> String {
    let mut text = String::new();
    for row in &results.workloads {
        let figures: Vec<Option<String>> =
            names.iter().map(|name| row.cell(name).and_then(&figure)).collect();
        if figures.iter().all(Option::is_none) {
            continue;
        }
        // A text takes all that is written to it.
        let _ = write!(text, "| {} |", row.title);
        for (name, figure) in names.iter().zip(figures) {
            let failed =
                row.cells.iter().any(|cell| cell.name == **name && cell.failed.is_some() && !cell.left_out);
            let _ = write!(
                text,
                " {} |",
                figure.unwrap_or_else(|| if failed { "failed" } else { "-" }.to_owned())
            );
        }
        let _ = writeln!(text, " {} |", last(row).unwrap_or_default());
    }
    if text.is_empty() {
        return text;
    }
    format!("{title}\n\n| | {} | |\n|---|{}---|\n{text}\n", names.join(" | "), "---|".repeat(names.len()))
}

/// Who has no figures, and why.
fn left_out(results: &Results) -> String {
    let mut text = String::new();
    for (name, why) in &results.machine.skipped {
        let _ = writeln!(text, "- {name} is not compared: {why}");
    }
    for row in &results.workloads {
        for cell in row.cells.iter().filter(|cell| cell.failed.is_some()) {
            let word = if cell.left_out { "left out" } else { "FAILED" };
            let _ = writeln!(
                text,
                "- {}, {}: {word}: {}",
                row.name,
                cell.name,
                cell.failed.as_deref().unwrap_or_default()
            );
        }
    }
    text
}

/// With as many digits as mean something.
pub(super) fn figure(value: f64) -> String {
    match value {
        value if value < 10.0 => format!("{value:.2}"),
        value if value < 100.0 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// The median with its spread.
pub(super) fn with_spread(values: &[f64]) -> String {
    let (least, most) = spread(values);
    format!("{} ({} to {})", figure(median(values)), figure(least), figure(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_figure_says_so() {
        let cell = |name: &str, cpu_us: &[f64], failed: Option<&str>, left_out| Cell {
            name: name.to_owned(),
            cpu_us: cpu_us.to_vec(),
            per_second: cpu_us.to_vec(),
            failed: failed.map(str::to_owned),
            left_out,
            ..Cell::default()
        };
        let mut row = Row { name: "1k".to_owned(), title: "1 KB".to_owned(), ..Row::default() };
        row.cells = vec![
            cell("tidegate", &[12.5, 14.0], None, false),
            cell("nginx", &[20.0, 25.0], None, false),
            cell("envoy", &[], Some("it broke"), false),
            cell("floor", &[], Some("cannot"), true),
        ];
        row.compare();
        let mut other = row.clone();
        other.cells[2] = cell("envoy", &[50.0], None, false);
        let text = markdown(&Results { workloads: vec![row, other], ..Results::default() });
        assert!(
            text.contains("| 1 KB | 13.2 | 22.5 | failed | **0.59** (0.56 to 0.62) of nginx |"),
            "{text}"
        );
        assert!(text.contains("- 1k, envoy: FAILED: it broke\n- 1k, floor: left out: cannot\n"), "{text}");
        assert_eq!(with_spread(&[1.0, 30.0, 200.0]), "30.0 (1.00 to 200)");
    }
}
