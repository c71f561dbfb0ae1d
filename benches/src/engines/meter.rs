//! What the machine says: processor time, latencies, memory, bytes written, load.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::fs::{Advice, fadvise};
use rustix::time::{ClockId, clock_gettime};

use super::store::{Failure, Found};

/// Reads prepared at once, so that preparing them stays outside of what is measured.
pub(super) const CHUNK: usize = 256;

/// Processor time of the calling thread.
pub(super) fn cpu_of_thread() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// Processor time of all threads.
pub(super) fn cpu_of_process() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Work done so far, and what it took.
pub(super) struct Tally {
    pub(super) ops: u64,
    /// Rows written or found.
    pub(super) rows: u64,
    /// Processor time of the thread.
    pub(super) cpu: Duration,
    pub(super) wall: Duration,
    latency: Histogram<u64>,
    /// Of so many operations one is timed, so that reading the clock costs little.
    every: u64,
}

impl Tally {
    pub(super) fn new(every: u64) -> Result<Tally, Failure> {
        // Nanoseconds up to an hour, to three digits.
        let latency = Histogram::new_with_bounds(1, 3_600_000_000_000, 3)?;
        let (cpu, wall) = (Duration::ZERO, Duration::ZERO);
        Ok(Tally { ops: 0, rows: 0, cpu, wall, latency, every })
    }

    /// Does `one` with each of `items`, on the clock. It answers how many rows that were.
    pub(super) fn run<T>(
        &mut self,
        items: &[T],
        mut one: impl FnMut(&T) -> Result<u64, Failure>,
    ) -> Result<(), Failure> {
        let (cpu, wall) = (cpu_of_thread(), Instant::now());
        for item in items {
            if self.ops.is_multiple_of(self.every) {
                let begin = Instant::now();
                self.rows += one(item)?;
                self.latency.saturating_record(begin.elapsed().as_nanos() as u64);
            } else {
                self.rows += one(item)?;
            }
            self.ops += 1;
        }
        self.wall += wall.elapsed();
        self.cpu += cpu_of_thread() - cpu;
        Ok(())
    }

    pub(super) fn ops_per_cpu_second(&self) -> f64 {
        self.ops as f64 / self.cpu.as_secs_f64()
    }

    pub(super) fn rows_per_cpu_second(&self) -> f64 {
        self.rows as f64 / self.cpu.as_secs_f64()
    }

    pub(super) fn rows_per_second(&self) -> f64 {
        self.rows as f64 / self.wall.as_secs_f64()
    }

    /// Microseconds that this share of the timed operations took at most.
    pub(super) fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }
}

/// Reads for `time`, after a tenth of it to warm up, and tells what the first chunk found.
pub(super) fn reads<T>(
    time: Duration,
    every: u64,
    mut prepare: impl FnMut() -> T,
    mut read: impl FnMut(&T) -> Result<Found, Failure>,
) -> Result<(Tally, Found), Failure> {
    let mut first = Found::default();
    let mut prepared = || (0..CHUNK).map(|_| prepare()).collect::<Vec<T>>();
    for query in prepared() {
        first.add(read(&query)?);
    }
    let mut warm = Tally::new(every)?;
    while warm.wall < time / 10 {
        warm.run(&prepared(), |it| read(it).map(|it| it.rows))?;
    }
    let mut tally = Tally::new(every)?;
    while tally.wall < time || tally.ops == 0 {
        tally.run(&prepared(), |it| read(it).map(|it| it.rows))?;
    }
    Ok((tally, first))
}

/// Lets the greatest memory seen begin anew.
pub(super) fn forget_peak() -> Result<(), Failure> {
    Ok(fs::write("/proc/self/clear_refs", "5")?)
}

/// The most memory that was resident since, MiB.
pub(super) fn peak_mib() -> Result<f64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    field(&status, "VmHWM:").map(|kib| kib as f64 / 1024.0).ok_or_else(|| "no VmHWM".into())
}

/// Bytes that this process has handed to `write` and its kind.
pub(super) fn bytes_written() -> Result<u64, Failure> {
    let io = fs::read_to_string("/proc/self/io")?;
    field(&io, "wchar:").ok_or_else(|| "no wchar".into())
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|it| it.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Load averages of the machine over 1, 5 and 15 minutes.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// How many processors of which kind.
pub(crate) fn processors() -> String {
    let count = std::thread::available_parallelism().map_or(0, usize::from);
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|it| it.strip_prefix("model name")?.split(": ").nth(1));
    format!("{count} × {}", name.unwrap_or("unknown"))
}

/// The files of a folder, open, and on the disk: dirty pages stay in the page cache.
pub(super) fn files(dir: &Path) -> Result<Vec<fs::File>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.append(&mut files(&entry.path())?);
        } else {
            let file = fs::File::open(entry.path())?;
            file.sync_all()?;
            found.push(file);
        }
    }
    Ok(found)
}

/// Takes files out of the page cache.
pub(super) fn forget_pages(files: &[fs::File]) -> Result<(), Failure> {
    Ok(files.iter().try_for_each(|it| fadvise(it, 0, None, Advice::DontNeed))?)
}

/// Microseconds of an append of 4 KiB with its fdatasync on this disk, by the median.
pub(super) fn fdatasync_us(dir: &Path) -> Result<f64, Failure> {
    use std::io::Write as _;
    let path = dir.join("fdatasync");
    let mut file = fs::File::create(&path)?;
    let mut tally = Tally::new(1)?;
    tally.run(&[[0x5A_u8; 4096]; 128], |bytes| {
        file.write_all(bytes)?;
        file.sync_data()?;
        Ok(1)
    })?;
    fs::remove_file(&path)?;
    Ok(tally.quantile_us(0.5))
}
