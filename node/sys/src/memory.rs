//! The pages that the memory of this process is made of.
//!
//! Whoever looks at a few places among hundreds of megabytes waits for the tables of pages as much as for what lies there:
//! with pages of 2 MiB, where the system has them for those who ask (`transparent_hugepage` is `madvise` or
//! `always`), these tables stay in the processor. But a process that has little in memory then holds more than it uses.
//! So a program begins with [small pages](use_small_pages), and goes over to [huge ones](use_huge_pages) with what makes it
//! large.
//!
//! Nothing but speed and memory tells the difference, so this is no seam.

/// From now on what was never used comes in pages of 4 KiB. Where the system does not know of that, nothing happens.
pub fn use_small_pages() {
    disable_huge_pages(true);
}

/// From now on what was never used may come in pages of 2 MiB. Where the system does not know of that, nothing happens.
pub fn use_huge_pages() {
    disable_huge_pages(false);
}

#[cfg(target_os = "linux")]
fn disable_huge_pages(disabled: bool) {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(disabled) {
        tracing::debug!(disabled, %error, "the system does not let a process choose its pages");
    }
}

#[cfg(not(target_os = "linux"))]
fn disable_huge_pages(_disabled: bool) {}
