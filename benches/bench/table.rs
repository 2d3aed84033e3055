//! The table at the end.

#[derive(Default)]
pub struct Table(Vec<[String; 4]>);

impl Table {
    /// Adds a line, and says it at once, for a run that is cut short.
    pub fn add(&mut self, what: &str, measured: String, baseline: String, target: String) {
        println!("{what}: {measured} (baseline {baseline}; target {target})");
        self.0.push([what.to_owned(), measured, baseline, target]);
    }

    pub fn print(&self) {
        let head = ["what", "measured", "baseline", "target"].map(str::to_owned);
        let lines: Vec<_> = std::iter::once(&head).chain(&self.0).collect();
        let width =
            |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
        let widths: [usize; 4] = std::array::from_fn(width);
        println!();
        for (index, line) in lines.iter().enumerate() {
            let cells: Vec<_> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if index == 0 {
                println!("|{}|", widths.map(|width| "-".repeat(width + 2)).join("|"));
            }
        }
    }
}

/// The middle one.
pub fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
    values[values.len() / 2]
}
