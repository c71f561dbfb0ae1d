//! Where chance comes from: one seed for each session.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

/// A generator. Everything random in a session descends from the seed that its builder was given.
#[expect(clippy::disallowed_methods, reason = "the one place where generators are made")]
pub(crate) fn generator(seed: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed)
}

/// A seed for a session that was given none.
#[expect(clippy::disallowed_methods, reason = "the default of a session without a seed")]
pub(crate) fn entropy() -> u64 {
    SmallRng::from_os_rng().random()
}
