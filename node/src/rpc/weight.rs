//! Bytes of requests in hand: of one stream, and of all streams of a door together.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use query::{
    Error,
    guardrail::{Guard, Guardrail},
};

/// What one stream has in hand, beside what all have.
pub(crate) struct Scales {
    guard: Arc<Guard>,
    all: Arc<AtomicU64>,
    stream: Arc<AtomicU64>,
}

impl Scales {
    /// Nothing in hand anywhere.
    pub(crate) fn new(guard: Arc<Guard>) -> Scales {
        Scales { guard, all: Arc::default(), stream: Arc::default() }
    }

    /// Those of one more stream.
    pub(crate) fn of_stream(&self) -> Scales {
        let (guard, all) = (Arc::clone(&self.guard), Arc::clone(&self.all));
        Scales { guard, all, stream: Arc::default() }
    }

    /// Takes a request of this size in hand, until its weight is dropped; with a warning where that
    /// is unwise. A request that is alone is taken whatever its size: frames have a limit.
    ///
    /// # Errors
    /// `Overloaded`: it is too much together with what is in hand.
    pub(crate) fn put(&self, bytes: u64) -> Result<(Weight, Vec<String>), Error> {
        let held = [&self.stream, &self.all].map(|on| {
            on.fetch_add(bytes, Ordering::Relaxed);
            Held { on: Arc::clone(on), bytes }
        });
        let weight = Weight { held };
        let mut warnings = Vec::new();
        let rails = [Guardrail::StreamBytes, Guardrail::RequestBytes];
        for (rail, held) in rails.into_iter().zip(&weight.held) {
            let together = held.on.load(Ordering::Relaxed);
            if bytes < together {
                warnings.extend(self.guard.check(rail, together)?);
            }
        }
        Ok((weight, warnings))
    }
}

/// A request that is in hand.
#[derive(Debug)]
pub(crate) struct Weight {
    held: [Held; 2],
}

#[derive(Debug)]
struct Held {
    on: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.on.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
