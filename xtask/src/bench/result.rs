//! What was measured, as it is stored.

use super::measure::{median, paired};
use serde::{Deserialize, Serialize};

/// A run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Results {
    /// When, in UTC.
    pub time: String,
    /// Where, and of what.
    pub machine: Machine,
    /// Rows, in their order.
    pub workloads: Vec<Row>,
}

/// Notes on the machine and the programs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Machine {
    /// Name of the processor.
    pub processor: String,
    /// How many cores there are.
    pub cores: usize,
    /// Name and version of the kernel.
    pub kernel: String,
    /// The commit that was built, with `+` where files differ from it.
    pub commit: String,
    /// What counted system calls.
    pub counter: String,
    /// What each program says of its version.
    pub versions: Vec<(String, String)>,
    /// Who could not be had, and why.
    pub skipped: Vec<(String, String)>,
}

/// A workload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Row {
    /// Its name.
    pub name: String,
    /// What it is.
    pub title: String,
    /// The words of the load.
    pub load: String,
    /// The curve that it is a point of, and where.
    pub curve: Option<(String, usize)>,
    /// Requests a second that all were offered for their times.
    pub offered_per_second: Option<f64>,
    /// A cell for each program.
    pub cells: Vec<Cell>,
    /// Our CPU time a request, compared.
    pub comparison: Option<Comparison>,
}

/// A program under a workload.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cell {
    /// Which program.
    pub name: String,
    /// Why it has no figures, or why some are missing.
    pub failed: Option<String>,
    /// Whether it was left out on purpose, and `failed` says why.
    pub left_out: bool,
    /// CPU µs a request under a closed load, a figure a round.
    pub cpu_us: Vec<f64>,
    /// Requests a second under a closed load, a figure a round.
    pub per_second: Vec<f64>,
    /// User instructions a request; counted elsewhere.
    pub instructions: Option<f64>,
    /// System calls a request.
    pub system_calls: Option<f64>,
    /// Seconds from the start until it listened.
    pub start_seconds: f64,
    /// Private bytes after a first request.
    pub rest_bytes: u64,
    /// Growth in bytes for each idle connection.
    pub idle_bytes: Option<f64>,
    /// Growth in bytes over rest for each busy connection, while they are.
    pub busy_bytes: Option<f64>,
    /// Figures at the offered rate.
    pub offered: Option<Offered>,
}

/// A program at the offered rate, a figure a round.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Offered {
    /// CPU µs a request.
    pub cpu_us: Vec<f64>,
    /// µs within which half of the requests had their answers.
    pub p50_us: Vec<f64>,
    /// µs for 99 of 100.
    pub p99_us: Vec<f64>,
    /// µs for 999 of 1000.
    pub p999_us: Vec<f64>,
}

/// Ours beside the peer with the smallest median, and the floor; medians of ratios within rounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Comparison {
    /// The best peer.
    pub best: String,
    /// Median of the rounds' ratios to it.
    pub ratio: f64,
    /// The smallest and the largest of them.
    pub spread: (f64, f64),
    /// Median of the rounds' ratios to the floor.
    pub to_floor: Option<f64>,
    /// Median of the rounds' ratios to the best peer at the offered rate, and that peer.
    pub offered: Option<(String, f64)>,
}

impl Row {
    /// The cell of a program, if it has figures.
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.name == name && !cell.cpu_us.is_empty())
    }

    /// Compares ours, if there is something to compare.
    pub fn compare(&mut self) {
        self.comparison = self.compared();
    }

    fn compared(&self) -> Option<Comparison> {
        let ours = self.cell("tidegate")?;
        let best = self.best(|cell| Some(&cell.cpu_us))?;
        let ratios = paired(&ours.cpu_us, &best.cpu_us);
        let offered = self.best(|cell| cell.offered.as_ref().map(|offered| &offered.cpu_us));
        let at_offered = offered.and_then(|best| {
            let ratios = paired(&ours.offered.as_ref()?.cpu_us, &best.offered.as_ref()?.cpu_us);
            Some((best.name.clone(), median(&ratios)))
        });
        Some(Comparison {
            best: best.name.clone(),
            ratio: median(&ratios),
            spread: spread(&ratios),
            to_floor: self.cell("floor").map(|floor| median(&paired(&ours.cpu_us, &floor.cpu_us))),
            offered: at_offered,
        })
    }

    /// The peer whose median of these figures is the smallest.
    fn best(&self, figures: impl Fn(&Cell) -> Option<&Vec<f64>>) -> Option<&Cell> {
        let middle = |cell: &Cell| figures(cell).map_or(f64::NAN, |figures| median(figures));
        self.cells
            .iter()
            .filter(|cell| !matches!(cell.name.as_str(), "tidegate" | "floor") && middle(cell).is_finite())
            .min_by(|one, other| middle(one).total_cmp(&middle(other)))
    }
}

/// The smallest and the largest.
pub(super) fn spread(values: &[f64]) -> (f64, f64) {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    (least, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, cpu_us: &[f64]) -> Cell {
        Cell { name: name.to_owned(), cpu_us: cpu_us.to_vec(), ..Cell::default() }
    }

    #[test]
    fn ours_is_compared_with_the_best_peer_within_rounds() {
        let cells = vec![
            cell("tidegate", &[8.0, 16.0, 9.0]),
            cell("nginx", &[20.0, 40.0, 20.0]),
            cell("haproxy", &[10.0, 20.0, 10.0]),
            cell("envoy", &[]),
            cell("floor", &[8.0, 8.0, 9.0]),
        ];
        let mut row = Row { cells, ..Row::default() };
        row.compare();
        let compared = row.comparison.expect("there is a peer");
        assert_eq!((compared.best.as_str(), compared.ratio), ("haproxy", 0.8));
        assert_eq!((compared.spread, compared.to_floor), ((0.8, 0.9), Some(1.0)));
        assert!(compared.offered.is_none());
    }

    #[test]
    fn without_peers_or_without_ours_nothing_is_compared() {
        for cells in [vec![cell("tidegate", &[1.0]), cell("floor", &[1.0])], vec![cell("nginx", &[1.0])]] {
            let mut row = Row { cells, ..Row::default() };
            row.compare();
            assert!(row.comparison.is_none());
        }
    }
}
