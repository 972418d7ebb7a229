//! Bars of CPU seconds and of memory, as SVG: one line for each program, with the sum over all kinds of data.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::results::{Rows, STEPS, middle};

const WIDTH: f64 = 360.0;
const LINE: f64 = 15.0;

/// The sums of each step by program: wall seconds, CPU seconds, and the highest peak of memory.
fn sums(rows: &Rows, storage: &str) -> BTreeMap<(usize, String), [f64; 3]> {
    let mut sums = BTreeMap::new();
    for ((at, _, is_plain, number, _), programs) in rows {
        if at != storage || *is_plain {
            continue;
        }
        for (program, runs) in programs {
            let sum: &mut [f64; 3] = sums.entry((*number, program.clone())).or_default();
            let (figures, _) = middle(runs);
            sum[0] += figures.wall_s;
            sum[1] += figures.cpu_s;
            sum[2] = sum[2].max(figures.peak_mib);
        }
    }
    sums
}

/// The whole picture.
pub fn draw(rows: &Rows) -> String {
    let sums = sums(rows, "disk");
    let titles = ["wall seconds", "CPU seconds", "peak MiB"];
    let mut body = String::new();
    let mut top = 20.0;
    for (number, step) in STEPS.iter().enumerate() {
        let bars: Vec<_> = sums.iter().filter(|((at, _), _)| *at == number).collect();
        if bars.is_empty() {
            continue;
        }
        text(&mut body, 4.0, top, "b", &format!("{step}: {}", titles.join(", ")));
        for (column, left) in [100.0, 110.0 + WIDTH, 120.0 + 2.0 * WIDTH].into_iter().enumerate() {
            let most = bars.iter().map(|(_, sum)| sum[column]).fold(0.01, f64::max);
            for (line, ((_, program), sum)) in (1..).zip(&bars) {
                let bottom = top + LINE * f64::from(line);
                if column == 0 {
                    text(&mut body, 4.0, bottom, "n", program);
                }
                let class = if program.starts_with("lockgate") { "us" } else { "they" };
                let width = sum[column] / most * (WIDTH - 60.0);
                let _ = writeln!(
                    body,
                    "<rect class=\"{class}\" x=\"{left}\" y=\"{:.0}\" width=\"{width:.1}\" height=\"{}\"/>",
                    bottom - LINE + 4.0,
                    LINE - 3.0
                );
                let digits = if column == 2 { 0 } else { 1 };
                text(
                    &mut body,
                    left + width + 4.0,
                    bottom,
                    "n",
                    &format!("{:.digits$}", sum[column]),
                );
            }
        }
        top += LINE * (bars.len() as f64 + 2.0);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {top:.0}\" role=\"img\" aria-label=\"Backup programs compared\">\n\
         <style>svg{{background:#fff;font:11px sans-serif}}.b{{font-weight:bold}}.us{{fill:#1769aa}}.they{{fill:#b0b8c0}}</style>\n\
         {body}</svg>\n",
        120.0 + 3.0 * WIDTH
    )
}

fn text(body: &mut String, x: f64, y: f64, class: &str, text: &str) {
    let _ = writeln!(body, "<text class=\"{class}\" x=\"{x:.0}\" y=\"{y:.0}\">{text}</text>");
}
