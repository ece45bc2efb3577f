use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How many callers come at once.
pub(super) const RACERS: usize = 16;

/// The numbers of the races that one check runs, since not every race is close: eight, and for a store whose races are
/// short as many as fit into fifty milliseconds.
pub(super) fn rounds() -> impl Iterator<Item = usize> {
    let begin = Instant::now();
    (0..).take_while(move |round| *round < 8 || begin.elapsed() < Duration::from_millis(50))
}

/// Runs `racer` on that many tasks that start together; their answers in the order of their numbers.
///
/// # Errors
/// One panicked.
pub(super) async fn race<S, F>(store: &Arc<S>, racer: impl Fn(Arc<S>, usize) -> F) -> Result<Vec<F::Output>, JoinError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let start = Arc::new(Start { line: Barrier::new(RACERS), started: AtomicUsize::new(0) });
    let mut tasks = JoinSet::new();
    for number in 0..RACERS {
        let (start, run) = (start.clone(), racer(store.clone(), number));
        tasks.spawn(async move {
            start.wait().await;
            (number, run.await)
        });
    }
    let mut answers = Vec::with_capacity(RACERS);
    while let Some(answer) = tasks.join_next().await {
        answers.push(answer?);
    }
    answers.sort_unstable_by_key(|(number, _)| *number);
    Ok(answers.into_iter().map(|(_, answer)| answer).collect())
}

struct Start {
    line: Barrier,
    started: AtomicUsize,
}

impl Start {
    /// How often the first racer looks for a second one: for some milliseconds, if none comes.
    const LOOKS: usize = 200_000;

    /// Tasks that are woken together run one after the other on one thread until another thread takes some of them; a
    /// store that waits for nothing would be done by then. So the first racer waits for a second one.
    async fn wait(&self) {
        self.line.wait().await;
        let is_first = self.started.fetch_add(1, Ordering::SeqCst) == 0;
        let is_alone = |_: &usize| is_first && self.started.load(Ordering::SeqCst) == 1;
        (0..Self::LOOKS).take_while(is_alone).for_each(|_| spin_loop());
    }
}
