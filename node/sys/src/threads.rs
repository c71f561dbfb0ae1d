//! Pieces of work at once.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

/// Runs `work` on each of these, each on a thread of its own but for the first, and answers in their order when all are done. For
/// a few pieces that take a millisecond and more, none of which waits for another; of a single one no thread is begun.
///
/// # Panics
/// When `work` does.
pub fn at_once<T: Send, R: Send>(pieces: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return Vec::new() };
    let work = &work;
    thread::scope(|scope| {
        let others: Vec<_> = pieces.map(|it| scope.spawn(move || work(it))).collect();
        let mut answers = vec![work(first)];
        for other in others {
            answers.push(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        answers
    })
}

/// How many threads this machine runs at once: 1 if it does not say.
pub fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_in_the_order_of_the_pieces() {
        assert_eq!(at_once((0..9).collect(), |it| it * 2), [0, 2, 4, 6, 8, 10, 12, 14, 16]);
        assert_eq!(at_once(Vec::<u8>::new(), |it| it), [0; 0]);
    }

    #[test]
    fn a_single_piece_stays_on_its_thread() {
        let here = thread::current().id();
        assert_eq!(at_once(vec![()], |()| thread::current().id()), [here]);
        let threads = at_once(vec![(); 3], |()| thread::current().id());
        assert!(threads[0] == here && threads[1] != here && threads[1] != threads[2]);
    }

    #[test]
    #[should_panic(expected = "seven")]
    fn a_panic_of_any_piece_is_that_of_all() {
        at_once((0..9).collect(), |it| assert_ne!(it, 7, "seven"));
    }
}
