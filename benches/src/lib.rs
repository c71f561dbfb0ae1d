//! Measuring: `load` drives whole clusters through the client crate, `engines` measures the storage
//! engine beside its peers; the criterion benches beside them measure one part at a time.

pub mod engines;
pub mod load;
