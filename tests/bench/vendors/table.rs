//! What was measured, and the ratios.

use std::collections::BTreeMap;

use crate::measure::median;

pub const STEPS: [&str; 3] = ["first backup", "unchanged backup", "restore"];

/// Who works.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Lockgate,
    /// Without the comparison that follows its restore, which the makers' ways do not have.
    Uncompared,
    /// The makers' way and restic.
    Vendor,
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Seconds that a person waits.
    pub wall_s: f64,
    /// Seconds of all processors in all processes but the server's.
    pub cpu_s: f64,
    /// The same in the server's.
    pub server_s: f64,
    /// Of the largest process but the server's.
    pub peak_mib: f64,
    /// Bytes by which the repository grew, in a backup.
    pub stored: Option<u64>,
}

/// Costs by step and program.
#[derive(Default)]
pub struct Table(BTreeMap<(usize, Program), Vec<Cost>>);

impl Program {
    pub fn name(self, way: &'static str) -> &'static str {
        match self {
            Self::Lockgate => "lockgate",
            Self::Uncompared => "lockgate --no-verify",
            Self::Vendor => way,
        }
    }
}

impl Table {
    pub fn add(&mut self, step: usize, program: Program, cost: Cost) {
        self.0.entry((step, program)).or_default().push(cost);
    }

    /// Prints medians, and how many times as much each row took as lockgate.
    pub fn print(&self, datastore: &str, way: &'static str) {
        println!(
            "\n| {datastore} | program | wall s | cpu s | server cpu s | peak MiB | stored MiB | wall / lockgate | cpu / lockgate | \
             cpu with server / lockgate | stored / lockgate |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|---|");
        for ((step, program), costs) in &self.0 {
            let Some(base) = self.0.get(&(*step, Program::Lockgate)).map(|all| middle(all)) else {
                continue;
            };
            let cost = middle(costs);
            let ratio = |pick: fn(&Cost) -> f64| pick(&cost) / pick(&base).max(0.01);
            let stored = match (cost.stored, base.stored) {
                (Some(bytes), Some(base)) => {
                    let times = bytes as f64 / base.max(1) as f64;
                    [format!("{:.3}", bytes as f64 / f64::from(1 << 20)), format!("{times:.2}")]
                }
                _ => [String::new(), String::new()],
            };
            println!(
                "| {} | {} | {:.2} | {:.2} | {:.2} | {:.0} | {} | {:.2} | {:.2} | {:.2} | {} |",
                STEPS[*step],
                program.name(way),
                cost.wall_s,
                cost.cpu_s,
                cost.server_s,
                cost.peak_mib,
                stored[0],
                ratio(|cost| cost.wall_s),
                ratio(|cost| cost.cpu_s),
                ratio(|cost| cost.cpu_s + cost.server_s),
                stored[1],
            );
        }
    }
}

fn middle(costs: &[Cost]) -> Cost {
    let of = |pick: fn(&Cost) -> f64| median(costs.iter().map(pick));
    Cost {
        wall_s: of(|cost| cost.wall_s),
        cpu_s: of(|cost| cost.cpu_s),
        server_s: of(|cost| cost.server_s),
        peak_mib: of(|cost| cost.peak_mib),
        stored: costs.iter().all(|cost| cost.stored.is_some()).then(|| {
            // Exact: repositories here are far below 2^53 bytes.
            of(|cost| cost.stored.unwrap_or_default() as f64) as u64
        }),
    }
}
