use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool};
use sqlx::{Acquire as _, SqlStr};
use tokio::sync::oneshot::{Sender, channel};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::database::Outcome;

/// The one writer that SQLite has at a time. Changes that come while others are being written wait here, in their order,
/// and are then written in one transaction: they share one wait for the disk, and hold no connection meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    pool: SqlitePool,
    waiting: Arc<Mutex<VecDeque<Waiting>>>,
    turn: Arc<Turn<()>>,
}

/// Statements that are one change, and what is bound to each of them.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) statements: Vec<SqlStr>,
    pub(crate) arguments: SqliteArguments,
}

#[derive(Debug)]
struct Waiting {
    change: Change,
    done: Sender<Outcome<u64>>,
}

/// Takes the write lock at once: a transaction that reads first could not get it any more after another one wrote.
pub(crate) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The most changes in one transaction, so that other processes get their turn.
const MOST: usize = 64;

impl Writer {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool, waiting: Arc::default(), turn: Arc::default() }
    }

    /// How many rows the first statement of the change changed.
    ///
    /// What has begun is finished also if the caller goes away, for others may be in the same transaction.
    pub(crate) async fn change(&self, change: Change) -> Outcome<u64> {
        let (done, mut outcome) = channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Waiting { change, done });
        let outcome = tokio::select! {
            biased;
            outcome = &mut outcome => outcome,
            turn = self.turn.clone().lock_owned() => {
                tokio::spawn(self.clone().write_all(turn));
                outcome.await
            }
        };
        outcome.unwrap_or_else(|_| Err(Arc::new(sqlx::Error::WorkerCrashed)))
    }

    async fn write_all(self, _turn: OwnedMutexGuard<()>) {
        loop {
            let batch = self.next_batch();
            if batch.is_empty() {
                return;
            }
            let (changes, callers): (Vec<_>, Vec<_>) = batch.into_iter().map(|own| (own.change, own.done)).unzip();
            let outcomes = match self.write(changes).await {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    let error = Arc::new(error);
                    callers.iter().map(|_| Err(error.clone())).collect()
                }
            };
            for (caller, outcome) in callers.into_iter().zip(outcomes) {
                // One that went away does not want to know.
                let _ = caller.send(outcome);
            }
        }
    }

    fn next_batch(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(MOST);
        waiting.drain(..count).filter(|own| !own.done.is_closed()).collect()
    }

    /// What became of each change. An error for all: none of them is written, or nobody knows.
    async fn write(&self, changes: Vec<Change>) -> sqlx::Result<Vec<Outcome<u64>>> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        let mut outcomes = Vec::new();
        for change in changes {
            let mut own = transaction.begin().await?;
            let outcome = run(&mut own, change).await;
            match outcome {
                Ok(_) => own.commit().await?,
                Err(_) => own.rollback().await?,
            }
            outcomes.push(outcome.map_err(Arc::new));
        }
        transaction.commit().await?;
        Ok(outcomes)
    }
}

async fn run(connection: &mut SqliteConnection, change: Change) -> sqlx::Result<u64> {
    let mut first = None;
    for statement in change.statements {
        let done = sqlx::query_with(statement, change.arguments.clone()).execute(&mut *connection).await?;
        first.get_or_insert(done.rows_affected());
    }
    Ok(first.unwrap_or_default())
}
