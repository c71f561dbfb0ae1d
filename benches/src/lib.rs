//! Measuring: `load` drives whole clusters through the client crate; the criterion benches beside
//! it measure one part at a time.

pub mod load;
