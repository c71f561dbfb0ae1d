//! What is wrong with a node, and with the cluster as it sees it, in sentences.

use std::time::Duration;

use cluster::Liveness;

use crate::{clocks, shared::Shared};

/// Writes that wait longer than this for the disk make a node unhealthy: half of what most clients give them.
const DISK_SLOW: Duration = Duration::from_secs(1);

impl Shared {
    /// Why this node, or the cluster as it sees it, is unhealthy; empty when it is not.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Err(error) = self.serves() {
            reasons.push(error.message);
        }
        reasons.extend(self.trouble_with_disk());
        let metadata = self.metadata();
        for node in metadata.nodes.values() {
            let alive = self
                .published
                .peers
                .borrow()
                .iter()
                .any(|it| it.host_id == node.host_id && it.liveness == Liveness::Alive);
            if node.host_id != self.host && !alive {
                reasons.push(format!("{} is down", node.peer_addr));
            }
        }
        reasons.extend(self.wrong_clocks());
        reasons
    }

    /// Why this node takes no writes, or takes them slowly.
    fn trouble_with_disk(&self) -> Option<String> {
        let dir = self.settings.data_dir.display();
        match self.engine.refusal() {
            Some(engine::Error::DiskFull { .. }) => {
                let percent = self.settings.disk_reject;
                Some(format!(
                    "the disk of {dir} is more than {percent} % full: writes are refused, reads go on"
                ))
            }
            Some(refusal) => Some(format!("writes are refused, reads go on: {refusal}")),
            None => {
                let wait = self.engine.commitlog_wait();
                let seconds = wait.as_secs_f64();
                (DISK_SLOW < wait)
                    .then(|| format!("writes wait {seconds:.1} s for the disk of {dir}"))
            }
        }
    }

    /// Whose clock is wrong, as far as this node can tell.
    pub(crate) fn wrong_clocks(&self) -> Vec<String> {
        clocks::wrong(&self.published.clock_skews(), self.settings.clock_skew_warn)
    }
}
