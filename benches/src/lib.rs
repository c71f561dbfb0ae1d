//! Measuring: `load` drives whole clusters through the client crate, `engines` measures the storage
//! engine beside its peers, `door` what a request of a CQL driver costs; the criterion benches beside them measure one part at a time.

pub mod door;
pub mod engines;
pub mod load;

#[cfg(test)]
mod in_process;
