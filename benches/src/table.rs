//! The figures and how they are shown: minimum, median, ratio to the first socket.

use std::fmt::Write;

use serde_json::{Value, json};

/// All measures of a run.
#[derive(Debug)]
pub(crate) struct Table {
    hosts: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    unit: &'static str,
    /// Whether more is better.
    rate: bool,
    /// Samples of each host; empty where there is none.
    samples: Vec<Vec<f64>>,
}

impl Table {
    pub(crate) fn new(hosts: Vec<String>) -> Self {
        Self { hosts, rows: Vec::new() }
    }

    /// Less is better.
    pub(crate) fn cost(&mut self, name: &str, unit: &'static str, samples: Vec<Vec<f64>>) {
        self.push(name, unit, false, samples);
    }

    /// More is better.
    pub(crate) fn rate(&mut self, name: &str, unit: &'static str, samples: Vec<Vec<f64>>) {
        self.push(name, unit, true, samples);
    }

    fn push(&mut self, name: &str, unit: &'static str, rate: bool, samples: Vec<Vec<f64>>) {
        eprintln!("measured: {name}");
        self.rows.push(Row { name: name.to_owned(), unit, rate, samples });
    }

    /// The table as text.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("{:<44}", "measure (best / median)");
        for (index, host) in self.hosts.iter().enumerate() {
            write!(text, "{host:>22}").expect("text");
            if index > 0 {
                write!(text, "{:>9}", "ratio").expect("text");
            }
        }
        text.push('\n');
        for row in &self.rows {
            write!(text, "{:<44}", format!("{}, {}", row.name, row.unit)).expect("text");
            let first = row.samples.first().map_or(f64::NAN, |samples| median(samples));
            for (index, samples) in row.samples.iter().enumerate() {
                write!(text, "{:>22}", shown(row, samples)).expect("text");
                if index > 0 {
                    let other = median(samples);
                    let ratio = if row.rate { first / other } else { other / first };
                    let ratio =
                        if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.1}x") };
                    write!(text, "{ratio:>9}").expect("text");
                }
            }
            text.push('\n');
        }
        text += "ratio: how many times better the first one is, by medians\n";
        text
    }

    /// The figures as data.
    pub(crate) fn json(&self) -> Value {
        let rows = self
            .rows
            .iter()
            .map(|row| json!({ "name": row.name, "unit": row.unit, "samples": row.samples }));
        json!({ "hosts": self.hosts, "rows": rows.collect::<Vec<_>>() })
    }
}

fn shown(row: &Row, samples: &[f64]) -> String {
    if samples.is_empty() {
        return "-".to_owned();
    }
    let pick = if row.rate { f64::max } else { f64::min };
    let best = samples.iter().copied().fold(samples[0], pick);
    format!("{} / {}", short(best), short(median(samples)))
}

fn short(figure: f64) -> String {
    let digits = if figure.abs() >= 100.0 { 0 } else { 2 };
    format!("{figure:.digits$}")
}

/// The middle of the samples; not a number when there is none.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => f64::midpoint(sorted[even / 2 - 1], sorted[even / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert!(median(&[]).is_nan());
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn ratios_say_how_much_better_the_first_is() {
        let mut table = Table::new(vec!["a".into(), "b".into()]);
        table.cost("cost", "ms", vec![vec![2.0], vec![30.0]]);
        table.rate("rate", "1/s", vec![vec![100.0], vec![50.0]]);
        table.cost("alone", "ms", vec![vec![2.0], vec![]]);
        let text = table.render();
        assert!(text.contains("15.0x") && text.contains("2.0x"), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with("alone") && line.ends_with('-')),
            "{text}"
        );
    }
}
