//! Replicas: this node itself, and what a metadata change means for its engine.

pub(crate) mod leader;
pub(crate) mod local;
