//! Bytes of requests and answers in hand: of one stream, of all streams of one address, and of all
//! streams of a node together.
//!
//! An answer weighs until the transport has taken it: whoever reads slowly holds on to the budget, and
//! not to the memory of the node.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use query::{
    Error,
    guardrail::{Guard, Guardrail},
};
use tokio::sync::mpsc;
use tonic::Status;

/// What one stream has in hand, beside what all have. A clone is on the same scales.
#[derive(Clone)]
pub(crate) struct Scales {
    guard: Arc<Guard>,
    all: Arc<AtomicU64>,
    addresses: Arc<Mutex<BTreeMap<IpAddr, Weak<AtomicU64>>>>,
    /// Of nobody in particular: none weighs there.
    address: Option<Arc<AtomicU64>>,
    stream: Arc<AtomicU64>,
}

impl Scales {
    /// Nothing in hand anywhere.
    pub(crate) fn new(guard: Arc<Guard>) -> Scales {
        Scales {
            guard,
            all: Arc::default(),
            addresses: Arc::default(),
            address: None,
            stream: Arc::default(),
        }
    }

    /// Those of one more stream, of a client at `address`.
    pub(crate) fn of_stream(&self, address: IpAddr) -> Scales {
        let address = Some(self.of_address(address));
        Scales { address, stream: Arc::default(), ..self.clone() }
    }

    fn of_address(&self, address: IpAddr) -> Arc<AtomicU64> {
        let mut all = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&address).and_then(Weak::upgrade) {
            return known;
        }
        // So that there are no more of them than there are streams.
        all.retain(|_, it| 0 < it.strong_count());
        let new = Arc::default();
        all.insert(address, Arc::downgrade(&new));
        new
    }

    /// Takes a request of this size in hand, until its weight is dropped; with a warning where that
    /// is unwise. A request that is alone is taken whatever its size: frames have a limit.
    ///
    /// # Errors
    /// `Overloaded`: it is too much together with what is in hand.
    pub(crate) fn put(&self, bytes: u64) -> Result<(Weight, Vec<String>), Error> {
        let held = [Some(&self.stream), self.address.as_ref(), Some(&self.all)].map(|on| {
            on.map(|on| {
                on.fetch_add(bytes, Ordering::Relaxed);
                Held { on: Arc::clone(on), bytes }
            })
        });
        let mut warnings = Vec::new();
        let rails = [Guardrail::StreamBytes, Guardrail::AddressBytes, Guardrail::RequestBytes];
        for (rail, held) in rails.into_iter().zip(&held) {
            let Some(held) = held else { continue };
            let together = held.on.load(Ordering::Relaxed);
            if bytes < together {
                warnings.extend(self.guard.check(rail, together)?);
            }
        }
        Ok((Weight(held), warnings))
    }

    /// Takes an answer of this size in hand, until its weight is dropped. It weighs with those of all
    /// streams: a client that asks for much at once waits for it at the transport. An answer that
    /// is alone is taken whatever its size.
    ///
    /// # Errors
    /// `Overloaded`: it is too much together with what is in hand.
    pub(crate) fn put_answer(&self, bytes: u64) -> Result<Weight, Error> {
        self.all.fetch_add(bytes, Ordering::Relaxed);
        let weight = Weight([Some(Held { on: Arc::clone(&self.all), bytes }), None, None]);
        let together = self.all.load(Ordering::Relaxed);
        if bytes < together {
            self.guard.check(Guardrail::RequestBytes, together)?;
        }
        Ok(weight)
    }
}

/// A request or an answer that is in hand.
#[derive(Debug)]
pub(crate) struct Weight(
    #[expect(dead_code, reason = "dropped, it weighs no more")] [Option<Held>; 3],
);

#[derive(Debug)]
struct Held {
    on: Arc<AtomicU64>,
    bytes: u64,
}

/// A frame, and what it weighs; or why the stream ends.
pub(crate) type Weighed<F> = (Result<F, Status>, Option<Weight>);

/// The frames of one stream on their way out.
pub(crate) struct Outgoing<F> {
    frames: mpsc::Receiver<Weighed<F>>,
    /// Of the frame that was taken last: it is written when the next one is asked for.
    taken: Option<Weight>,
}

impl<F> Outgoing<F> {
    /// What comes out here.
    pub(crate) fn new(frames: mpsc::Receiver<Weighed<F>>) -> Outgoing<F> {
        Outgoing { frames, taken: None }
    }
}

impl<F> Stream for Outgoing<F> {
    type Item = Result<F, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.taken = None;
        let next = ready!(self.frames.poll_recv(context));
        Poll::Ready(next.map(|(frame, weight)| {
            self.taken = weight;
            frame
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.on.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
