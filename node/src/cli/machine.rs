//! What this machine allows a node: memory and open files.

use std::{
    io,
    path::{Path, PathBuf},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{FILES_MIN, MEMORY_MIN};

/// Memory that this process may have, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// Bytes.
    pub(super) bytes: u64,
    /// As the log says it.
    pub(super) source: String,
}

/// What neither the machine nor a cgroup tells is taken to be this, bytes.
const MEMORY_UNKNOWN: u64 = 4 << 30;

impl Memory {
    /// A quarter of it: what `memory = "auto"` means.
    pub(super) fn budget(&self) -> u64 {
        (self.bytes / 4).max(MEMORY_MIN)
    }
}

/// The least of what the machine has and what the cgroups allow that this process is in.
pub(super) fn memory() -> Memory {
    memory_below(Path::new("/"))
}

fn memory_below(root: &Path) -> Memory {
    let read = |path: &Path| read_file(&root.join(path)).ok();
    let machine = read(Path::new("proc/meminfo")).and_then(|text| {
        let line = text.lines().find(|it| it.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    });
    let groups = read(Path::new("proc/self/cgroup")).unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| {
        // "max" is no limit; version 1 writes a number that no machine has.
        let bytes = read(&path)?.trim().parse::<u64>().ok()?;
        Some((bytes, format!("cgroup /{}", path.display())))
    });
    let all = machine.map(|it| (it, "the machine".to_owned())).into_iter().chain(limits);
    let (bytes, source) = all
        .min_by_key(|(bytes, _)| *bytes)
        .unwrap_or((MEMORY_UNKNOWN, "neither the machine nor a cgroup tells".to_owned()));
    Memory { bytes, source }
}

/// Where a limit may stand, for the groups that `/proc/self/cgroup` names: in the group and in all
/// above it, each of which limits it too. In a container the group is often the root.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = if controllers.is_empty() {
            ("sys/fs/cgroup", "memory.max")
        } else if controllers.split(',').any(|it| it == "memory") {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        } else {
            continue;
        };
        let group = Path::new(group.trim_start_matches('/'));
        files.extend(group.ancestors().map(|it| Path::new(mount).join(it).join(file)));
    }
    files
}

/// More than this is not asked for without need: some systems set aside memory for each.
const FILES_AUTO_MAX: u64 = 1 << 20;

/// With fewer than this a node that holds much, or serves many, runs out of them.
const FILES_ADVISED: u64 = 4096;

/// How many files this process may have open, and what to say of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// The limit in force.
    pub(super) limit: u64,
    /// What the operator should know.
    pub(super) warning: Option<String>,
}

/// Raises the limit of open files to `wanted`, or as far as it goes.
///
/// # Errors
/// When that is too few to run: the text says what to do.
pub(super) fn raise_files(wanted: Option<u64>) -> Result<Files, String> {
    // None is no limit at all.
    let now = getrlimit(Resource::Nofile);
    let hard = now.maximum.unwrap_or(u64::MAX);
    let limit = wanted.unwrap_or(hard.min(FILES_AUTO_MAX)).min(hard);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(limit), ..now });
    let limit = if raised.is_ok() { limit } else { now.current.unwrap_or(u64::MAX) };
    judge_files(limit, hard, wanted)
}

fn judge_files(limit: u64, hard: u64, wanted: Option<u64>) -> Result<Files, String> {
    let how = format!(
        "raise the hard limit, which is {hard}: `ulimit -Hn`, LimitNOFILE= of systemd, or nofile \
         below ulimits in compose"
    );
    if limit < FILES_MIN {
        return Err(format!("{limit} open files are allowed, a node needs {FILES_MIN}: {how}"));
    }
    let warning = match wanted {
        Some(wanted) if limit < wanted => {
            Some(format!("{limit} open files are allowed, `files_max` wants {wanted}: {how}"))
        }
        None if limit < FILES_ADVISED => {
            Some(format!("{limit} open files are allowed, {FILES_ADVISED} are advised: {how}"))
        }
        Some(_) | None => None,
    };
    Ok(Files { limit, warning })
}

/// Reads a small file of this machine.
#[expect(clippy::disallowed_methods, reason = "the command line reads its own settings")]
pub(super) fn read_file(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests;
