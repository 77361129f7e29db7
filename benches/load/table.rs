//! What a benchmark prints: where it ran, and medians by row and column.

use std::collections::BTreeMap;
use std::path::Path;

/// Values by row and column, in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<String>,
    values: BTreeMap<(String, String), Vec<f64>>,
}

impl Table {
    pub(crate) fn add(&mut self, row: &str, column: &str, value: f64) {
        if !self.rows.iter().any(|known| known == row) {
            self.rows.push(row.to_owned());
        }
        self.values.entry((row.to_owned(), column.to_owned())).or_default().push(value);
    }

    fn median(&self, row: &str, column: &str) -> Option<f64> {
        let mut values = self.values.get(&(row.to_owned(), column.to_owned()))?.clone();
        values.sort_by(f64::total_cmp);
        Some(values[values.len() / 2])
    }

    pub(crate) fn print(&self, columns: &[String]) {
        println!("{:72} {}", "", columns.iter().map(|column| format!("{column:>22}")).collect::<String>());
        for row in &self.rows {
            let cells = columns.iter().map(|column| self.median(row, column).map_or(String::new(), |value| format!("{value:.3}")));
            println!("{row:72} {}", cells.map(|cell| format!("{cell:>22}")).collect::<String>());
        }
    }
}

pub(crate) fn print_conditions(dir: &Path, rounds: usize) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo").lines().find(|line| line.starts_with("model name")).unwrap_or("").to_owned();
    let cores = std::thread::available_parallelism().map_or(0, |count| count.get());
    println!("conditions: {cores} cores{}, Linux {}", model.replace("model name\t", ""), read("/proc/sys/kernel/osrelease").trim());
    println!("            {rounds} rounds, medians; data in {}; client and server on this machine", dir.display());
    println!("            class W: acknowledged once the operating system has it; class S: once it is on stable storage\n");
}
