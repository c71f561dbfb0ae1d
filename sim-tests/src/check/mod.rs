//! What must hold of a history. Each checker is a pure function that answers with what is wrong.

pub mod counter;
pub mod register;
pub mod schema;
pub mod set;

#[cfg(test)]
mod tests;
