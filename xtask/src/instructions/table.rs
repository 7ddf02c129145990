//! Figures beside those of peers, printed and stored.

use super::program::Program;
use super::scenario::Scenario;
use super::tools::Tools;
use crate::run::{Failure, command, output, root};

/// Prints a row for each scenario. `figures` has those of each program, in the order of the scenarios; `None` where it
/// does not run.
pub fn print(programs: &[Program], scenarios: &[&Scenario], figures: &[Vec<Option<u64>>]) {
    print!("{:12}", "");
    programs.iter().for_each(|program| print!("{:>12}", program.name()));
    println!("{:>16}", "to the best");
    for (row, scenario) in scenarios.iter().enumerate() {
        print!("{:12}", scenario.name);
        figures.iter().for_each(|of| print!("{:>12}", shown(of[row])));
        let best = figures[1..].iter().filter_map(|of| of[row]).min();
        match (figures[0][row], best) {
            (Some(ours), Some(best)) => println!("{:>16.2}", ours as f64 / best as f64),
            _ => println!(),
        }
    }
}

fn shown(figure: Option<u64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string())
}

/// Stores the same as JSON, with the time, the tools and the programs' versions.
///
/// # Errors
/// When the file cannot be written.
pub fn save(
    programs: &[Program],
    scenarios: &[&Scenario],
    figures: &[Vec<Option<u64>>],
    tools: &Tools,
) -> Result<(), Failure> {
    let time = output(command("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"]))?;
    let time = time.trim();
    let tools: Vec<String> = tools.0.iter().map(|(name, is)| format!("    {name:?}: {is:?}")).collect();
    let mut subjects = Vec::new();
    for (program, figures) in programs.iter().zip(figures) {
        let rows: Vec<String> = scenarios
            .iter()
            .zip(figures)
            .map(|(scenario, figure)| {
                let figure = figure.map_or_else(|| "null".to_owned(), |figure| figure.to_string());
                format!("{:?}: {figure}", scenario.name)
            })
            .collect();
        subjects.push(format!(
            "    {{ \"name\": {:?}, \"version\": {:?}, \"instructions_per_request\": {{ {} }} }}",
            program.name(),
            program.version()?,
            rows.join(", ")
        ));
    }
    let text = format!(
        "{{\n  \"time\": {time:?},\n  \"tools\": {{\n{}\n  }},\n  \"subjects\": [\n{}\n  ]\n}}\n",
        tools.join(",\n"),
        subjects.join(",\n")
    );
    let results = root().join("bench/results");
    std::fs::create_dir_all(&results).map_err(|error| error.to_string())?;
    let file = results.join(format!("instructions-{}.json", time.replace(':', "")));
    std::fs::write(&file, text).map_err(|error| error.to_string())?;
    println!("written to {}", file.display());
    Ok(())
}
