//! The table that `door` prints.

use std::fmt;

use super::{
    drive::Measured,
    workload::{Kind, Sizes},
};

/// The rate beside the echo's that one request in flight has to reach.
const SHARE_MUST: f64 = 0.5;

/// One request in one shape.
pub(super) struct Figure {
    pub(super) kind: Kind,
    pub(super) connections: usize,
    pub(super) in_flight: usize,
    pub(super) sizes: Sizes,
    pub(super) of_node: Measured,
    pub(super) of_echo: Measured,
}

/// All of them.
pub(super) struct Report {
    pub(super) figures: Vec<Figure>,
    /// Load averages before and after.
    pub(super) load: (String, String),
    pub(super) processors: String,
}

impl Figure {
    /// What is demanded, and whether it is reached.
    fn verdict(&self) -> String {
        let share = self.of_node.per_second / self.of_echo.per_second;
        let (must, is_reached) = if self.in_flight == 1 {
            (format!("≥ {:.0} % of echo", SHARE_MUST * 100.0), SHARE_MUST <= share)
        } else {
            let most = self.kind.must_us();
            (format!("≤ {most} µs"), self.of_node.cpu_us <= most)
        };
        if is_reached { must } else { format!("{must}: **missed**") }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = &self.load;
        writeln!(out, "{}; load average before and after: {before} → {after}\n", self.processors)?;
        writeln!(
            out,
            "| request | connections x in flight | bytes asked, answered | node: CPU-µs | echo: CPU-µs | node: 1/s | echo: 1/s | share | must |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
        for it in &self.figures {
            let Figure { kind, connections, in_flight, sizes, of_node, of_echo } = it;
            let share = 100.0 * of_node.per_second / of_echo.per_second;
            writeln!(
                out,
                "| {kind} | {connections} x {in_flight} | {}, {} | {:.2} | {:.2} | {:.0} | {:.0} | {share:.0} % | {} |",
                sizes.request,
                sizes.answer,
                of_node.cpu_us,
                of_echo.cpu_us,
                of_node.per_second,
                of_echo.per_second,
                it.verdict(),
            )?;
        }
        Ok(())
    }
}
