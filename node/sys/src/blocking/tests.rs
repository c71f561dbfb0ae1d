//! Jobs: each version runs every step once, and says so when it cannot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use super::{Blocking, Inline, Job, Step, Stepping, Stopped, ThreadPool, run_fn};
use crate::SharedRng;

/// Writes its name once a step.
struct Writer {
    name: char,
    steps_left: usize,
    page: Arc<Mutex<String>>,
}

impl Job for Writer {
    fn step(&mut self) -> Step {
        self.page.lock().unwrap().push(self.name);
        self.steps_left -= 1;
        if self.steps_left == 0 { Step::Done } else { Step::More }
    }
}

async fn write_two(blocking: &dyn Blocking) -> String {
    let page = Arc::new(Mutex::new(String::new()));
    let job = |name| {
        let writer = Writer { name, steps_left: 5, page: Arc::clone(&page) };
        tokio::spawn(blocking.run(Box::new(writer)))
    };
    let (a, b) = (job('a'), job('b'));
    a.await.unwrap().unwrap();
    b.await.unwrap().unwrap();
    page.lock().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_run_every_step() {
    let mut text: Vec<char> = write_two(&ThreadPool::new(2)).await.chars().collect();
    text.sort_unstable();
    assert_eq!(text.iter().collect::<String>(), "aaaaabbbbb");
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_are_bounded() {
    let pool = ThreadPool::new(2);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            tokio::spawn(run_fn(&pool, move || {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
            }))
        })
        .collect();
    for job in jobs {
        job.await.unwrap().unwrap();
    }
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_comes_back_from_each() {
    let threads = ThreadPool::new(1);
    let all: [&dyn Blocking; 3] = [&threads, &Inline, &Stepping::immediate()];
    for blocking in all {
        assert_eq!(run_fn(blocking, || 6 * 7).await, Ok(42));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_told_and_the_thread_goes_on() {
    let pool = ThreadPool::new(1);
    assert_eq!(run_fn(&pool, || panic!("on purpose")).await, Err::<(), _>(Stopped::Panicked));
    assert_eq!(run_fn(&pool, || 1).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_a_job_between_two_steps() {
    struct Endless(mpsc::SyncSender<()>);
    impl Job for Endless {
        fn step(&mut self) -> Step {
            // Blocks until the test has seen the step, so that the job cannot run ahead of it.
            match self.0.send(()) {
                Ok(()) | Err(mpsc::SendError(())) => Step::More,
            }
        }
    }
    let pool = ThreadPool::new(1);
    let (sender, steps) = mpsc::sync_channel(0);
    let endless = tokio::spawn(pool.run(Box::new(Endless(sender))));
    let waiting = tokio::spawn(run_fn(&pool, || ()));
    let steps = tokio::task::spawn_blocking(move || steps.recv().map(|()| steps)).await.unwrap();
    pool.stop();
    drop(steps);
    assert_eq!(endless.await.unwrap(), Err(Stopped::ShuttingDown));
    assert_eq!(waiting.await.unwrap(), Err(Stopped::ShuttingDown));
    assert_eq!(run_fn(&pool, || ()).await, Err(Stopped::ShuttingDown));
}

#[tokio::test]
async fn inline_does_not_pause() {
    assert_eq!(write_two(&Inline).await, "aaaaabbbbb");
}

#[tokio::test]
async fn stepping_interleaves() {
    let text = write_two(&Stepping::immediate()).await;
    // In which order tokio resumes the two is its own business; that neither waits for the other's
    // end is ours.
    assert!(text.contains("ab") && text.contains("ba"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn stepping_waits_on_virtual_time_as_the_seed_says() {
    let stepping = |seed| {
        let (min, max) = (Duration::from_millis(1), Duration::from_millis(9));
        Stepping::with_latency(SharedRng::from_seed(seed), min, max)
    };
    let start = tokio::time::Instant::now();
    let first = write_two(&stepping(1)).await;
    let took = start.elapsed();
    assert!(Duration::from_millis(5) <= took && took <= Duration::from_millis(60), "{took:?}");
    assert_eq!(first, write_two(&stepping(1)).await);
    let others: Vec<String> = [
        write_two(&stepping(2)).await,
        write_two(&stepping(3)).await,
        write_two(&stepping(4)).await,
    ]
    .into();
    assert!(others.iter().any(|other| *other != first));
}
