//! The codec: laws as properties, and exact bytes where two readers must agree on them.

mod bytes;
mod hostile;
mod round_trip;
